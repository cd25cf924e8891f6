//! Several kinds of user with one authority, and tokens that lack what ours always have.

mod common;

use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{
    Account, Authority, ClientInfo, LoginError, MemoryStore, NewPersonalToken, Outage, Principal,
    Proof, Settings, SettingsError, UserDirectory, VerifyError, async_trait,
};
use common::{PASSWORD, SECRET, Users, assert_revoked};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

/// Clients, identified by `user_seq`: one, with the same number as Alice.
struct Clients;

#[async_trait]
impl UserDirectory for Clients {
    fn id_field(&self) -> &str {
        "user_seq"
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        let acme = Account::new(Principal::new("client", "1"), "acme");
        Ok((login == "acme").then_some(acme))
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        match user_id {
            "1" => self.find_by_login("acme").await,
            "13" => Err(Outage::because("the directory of clients is away")),
            _ => Ok(None),
        }
    }
}

/// Alice and her like, identified by `user_seq` as well.
struct Staff(Users);

#[async_trait]
impl UserDirectory for Staff {
    fn id_field(&self) -> &str {
        "user_seq"
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        self.0.find_by_login(login).await
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        self.0.load(user_id).await
    }
}

async fn authority() -> Authority {
    let settings = Settings {
        user_id_field: "user_seq".into(),
        user_id_claim: "user_seq".into(),
        user_type_claim: "kind".into(),
        ..Settings::with_signing_key(SECRET)
    };
    let builder = Authority::builder(settings).store(MemoryStore::new());
    let builder = builder.users(Staff(Users::with_alice())).users_of_type("client", Clients);
    let authority = builder.build().unwrap();
    authority.sync().await.unwrap();
    authority
}

async fn pair_of(authority: &Authority, user_type: &str, id: &str) -> (String, String) {
    let proof = Proof::vouched(Principal::new(user_type, id), []);
    let login = authority.start_pair(proof, &ClientInfo::default()).await.unwrap();
    (login.granted.access.into_string(), login.granted.refresh.into_string())
}

#[tokio::test]
async fn every_token_names_the_kind_of_its_user() {
    let authority = authority().await;
    for kind in ["user", "client"] {
        let (access, refresh) = pair_of(&authority, kind, "1").await;
        let verified = authority.authenticate(&access).unwrap();
        assert_eq!(verified.principal(), &Principal::new(kind, "1"));
        for token in [&access, &refresh] {
            let claims: Value = authority.verify(token).await.unwrap().claims().unwrap();
            assert_eq!((&claims["kind"], &claims["user_seq"]), (&json!(kind), &json!("1")));
        }
    }
}

#[tokio::test]
async fn the_same_number_is_two_principals() {
    let authority = authority().await;
    let (user, _) = pair_of(&authority, "user", "1").await;
    let (client, refresh) = pair_of(&authority, "client", "1").await;
    let everything = Revoke::Principal(Principal::new("client", "1"));
    authority.revoke(everything, RevocationReason::Administrator).await.unwrap();
    assert!(authority.authenticate(&user).is_ok());
    assert_revoked(authority.authenticate(&client), RevocationReason::Administrator);
    assert!(authority.refresh(&refresh, &ClientInfo::default()).await.is_err());
    assert_eq!(authority.sessions(&Principal::new("user", "1")).await.unwrap().len(), 1);

    // A password is of one kind.
    let client = ClientInfo::default();
    let login = authority.login("client", "alice", PASSWORD, &client).await;
    assert!(matches!(login, Err(LoginError::InvalidCredentials)));
    assert!(authority.login("user", "alice", PASSWORD, &client).await.is_ok());

    // So is a personal token.
    let new = NewPersonalToken { name: "ci".into(), ..NewPersonalToken::default() };
    let acme = Principal::new("client", "1");
    let (token, made) = authority.create_personal_token_for(&acme, new).await.unwrap();
    let verified = authority.authenticate_personal(token.expose(), &client).await.unwrap();
    assert_eq!(verified.principal(), &acme);
    let alice = Principal::new("user", "1");
    let reason = RevocationReason::Logout;
    assert!(!authority.revoke_personal_token(&alice, made.id, reason).await.unwrap());
}

fn mint(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
}

#[tokio::test]
async fn an_unknown_kind_is_nobody_and_an_outage_is_an_outage() {
    let authority = authority().await;
    let exp = authority.clock().now_seconds() + 60;
    let token = |kind: Value, id: &str| {
        mint(&json!({
            "token_type": "access", "exp": exp, "jti": "x", "user_seq": id, "kind": kind,
        }))
    };
    for kind in ["robot", "User", "client ", ""] {
        let refused = authority.authenticate(&token(json!(kind), "1"));
        assert!(matches!(refused, Err(VerifyError::Invalid(_))), "{kind}: {refused:?}");
    }
    let load =
        async |token: &str| authority.load_account(&authority.authenticate(token).unwrap()).await;
    assert!(load(&token(json!("client"), "1")).await.is_ok());
    assert_revoked(load(&token(json!("client"), "2")).await, RevocationReason::UserDeleted);
    let away = load(&token(json!("client"), "13")).await;
    assert!(matches!(away, Err(VerifyError::Outage(_))), "{away:?}");
}

/// Providers write neither a kind nor an id into their access tokens.
#[tokio::test]
async fn a_service_that_only_verifies_can_do_without_a_kind_and_an_id() {
    let settings = Settings {
        token_type_claim: String::new(),
        jti_claim: String::new(),
        user_id_claim: "sub".into(),
        issuer: Some("https://issuer.example".into()),
        audience: vec!["shop".into()],
        ..Settings::with_signing_key(SECRET)
    };
    let refused = Authority::builder(settings.clone())
        .store(MemoryStore::new())
        .users(Users::with_alice())
        .build();
    let Err(SettingsError(faults)) = refused else { panic!("it can issue tokens") };
    let names: Vec<_> = faults.iter().map(|fault| fault.setting.as_str()).collect();
    assert_eq!(names, ["token_type_claim", "jti_claim"]);

    let verifier = Authority::verifier(settings).build().unwrap();
    verifier.sync().await.unwrap();
    let exp = verifier.clock().now_seconds() + 60;
    let claims = |more: Value| {
        let mut claims = json!({
            "iss": "https://issuer.example", "aud": "shop", "sub": "auth0|42", "exp": exp,
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mint(&claims)
    };
    let verified = verifier.authenticate(&claims(json!({}))).unwrap();
    assert_eq!(verified.user_id(), "auth0|42");
    assert!(verified.is_foreign());
    // What is configured is required all the same, and nothing but access tokens opens a route.
    for wrong in [
        json!({ "aud": "bank" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "sub": null }),
        json!({ "exp": 1 }),
        json!({ "exp": null }),
    ] {
        assert!(verifier.authenticate(&claims(wrong.clone())).is_err(), "{wrong}");
    }
}
