//! A document, and whether an answer is what it says.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::{Answer, TestApp};

/// The document that a server answers.
pub(crate) struct Document(pub(crate) Value);

/// One method of one path.
pub(crate) struct Operation<'d> {
    pub(crate) method: String,
    pub(crate) path: &'d str,
    pub(crate) described: &'d Value,
}

impl Operation<'_> {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn is_unsafe(&self) -> bool {
        self.method != "GET"
    }

    /// The names of the schemes that open it, in order.
    pub(crate) fn schemes(&self) -> Vec<&str> {
        let alternatives = self.described["security"].as_array().expect("it says who may call it");
        let names = |alternative: &'_ Value| alternative.as_object().expect("schemes").len();
        assert!(alternatives.iter().all(|a| names(a) == 1), "one credential is enough");
        alternatives
            .iter()
            .flat_map(|a| a.as_object().expect("schemes").keys())
            .map(|n| &**n)
            .collect()
    }

    /// What types of bodies it takes.
    pub(crate) fn takes(&self) -> Vec<&str> {
        let content = self.described["requestBody"]["content"].as_object();
        content.into_iter().flatten().map(|(media_type, _)| media_type.as_str()).collect()
    }

    /// Where its parameters are, and what they are called.
    pub(crate) fn parameters(&self) -> BTreeSet<(&str, &str)> {
        let parameters = self.described["parameters"].as_array().into_iter().flatten();
        let text = |value: &'_ Value| value.as_str().map(str::len).expect("a text");
        parameters
            .inspect(|parameter| assert!(text(&parameter["description"]) > 0))
            .map(|parameter| {
                (
                    parameter["in"].as_str().expect("a place"),
                    parameter["name"].as_str().expect("a name"),
                )
            })
            .collect()
    }
}

impl Document {
    pub(crate) async fn of(app: &TestApp) -> Self {
        let answer = app.anonymous().get("/api/v1/schema/openapi.json").await;
        answer.expect_status(200).expect_header("content-type", "application/json");
        Self(answer.json())
    }

    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().expect("paths") {
            for (method, described) in item.as_object().expect("operations") {
                operations.push(Operation { method: method.to_uppercase(), path, described });
            }
        }
        operations
    }

    /// What a `$ref` leads to, or the value itself.
    #[track_caller]
    pub(crate) fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let pointer = reference.strip_prefix('#').expect("nothing leads out of the document");
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// Asserts that the answer is one that the operation has: its status, the headers that go with it, and every
    /// member of its body.
    #[track_caller]
    pub(crate) fn expect(&self, method: &str, path: &str, answer: &Answer) {
        let operations = self.operations();
        let operation = operations.iter().find(|o| o.method == method && o.path == path);
        let operation = operation.unwrap_or_else(|| panic!("{method} {path} is not described"));
        let name = operation.name();
        let response = &operation.described["responses"][answer.status.to_string()];
        assert!(
            response.is_object(),
            "{name}: {} is not described: {}",
            answer.status,
            answer.body
        );
        let response = self.resolve(response);
        for header in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys())
        {
            assert!(
                answer.headers.contains_key(header),
                "{name}: {} without {header}",
                answer.status
            );
        }
        let Some(content) = response["content"].as_object() else {
            assert_eq!(answer.body, "", "{name}: a body that is not described");
            return;
        };
        let media_type = answer.header("content-type").expect("a body says what it is");
        let content = content.get(media_type);
        let content = content.unwrap_or_else(|| panic!("{name}: {media_type} is not described"));
        let mut faults = Vec::new();
        self.compare(&content["schema"], &answer.json(), "body", &mut faults);
        assert!(faults.is_empty(), "{name}, {}: {faults:?} in {}", answer.status, answer.body);
        if answer.status < 400 || content["examples"].is_null() {
            return;
        }
        // What an error says to programs, one of the examples says too.
        let body = answer.json();
        let examples = content["examples"].as_object().expect("examples");
        for member in ["code", "error", "type"] {
            // A field of this name has a list of faults.
            let is_shown =
                examples.values().any(|e| e["value"][member].as_str() == body[member].as_str());
            assert!(is_shown, "{name}: {member} is in no example: {}", answer.body);
        }
    }

    /// As much of JSON Schema as the document uses. A member that is not described is a fault.
    pub(crate) fn compare(
        &self,
        schema: &Value,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        let schema = self.resolve(schema);
        if let Some(alternatives) = schema["anyOf"].as_array() {
            let fits = alternatives.iter().any(|alternative| {
                let mut faults = Vec::new();
                self.compare(alternative, value, at, &mut faults);
                faults.is_empty()
            });
            if !fits {
                faults.push(format!("{at} is none of the alternatives"));
            }
            return;
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let has_kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().any(|k| k == kind),
            one => one == kind,
        };
        if !has_kind {
            return faults.push(format!("{at} is of the type {kind}, not {}", schema["type"]));
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            faults.push(format!("{at} is not in {values:?}"));
        }
        for item in value.as_array().into_iter().flatten() {
            self.compare(&schema["items"], item, &format!("{at}[]"), faults);
        }
        let Some(members) = value.as_object() else { return };
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().expect("a name");
            if !members.contains_key(name) {
                faults.push(format!("{at} has no {name}"));
            }
        }
        for (name, member) in members {
            let at = format!("{at}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Null) => faults.push(format!("{at} is not described")),
                // Anything will do.
                (Value::Null, Value::Bool(true)) => {}
                (Value::Null, others) => self.compare(others, member, &at, faults),
                (described, _) => self.compare(described, member, &at, faults),
            }
        }
    }
}
