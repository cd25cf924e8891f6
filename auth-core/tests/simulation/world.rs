//! The world: two nodes over one store, people with credentials, and what is true of them. It
//! plays histories; `acts.rs` says what each act does.

use std::sync::Arc;
use std::task::Poll;

use auth_core::{Authority, ManualClock, Verified, VerifyError};

use super::history::{Act, History, Node, Step, Then};
use super::invariants::{self, Check, Violation};
use super::knowledge::Due;
use super::operation::{Answered, Ask, Failure, Operation, now};
use super::people::People;
use super::profile::{Profile, duration};
use super::sights::Sights;
use super::store::{Deed, Ground, NodeStore};
use super::truth::{Bearer, BearerKind, Truth};
use super::users::{Directory, Users};

pub(crate) struct World {
    pub(crate) truth: Truth,
    pub(crate) people: People,
    pub(crate) machines: Machines,
    pub(crate) nodes: [Authority; 2],
    pub(crate) in_flight: Vec<Operation>,
    pub(crate) sights: Sights,
    /// What happened, where somebody wants to read it.
    pub(crate) story: Option<Vec<String>>,
}

/// What outlives the process of a node.
pub(crate) struct Machines {
    pub(crate) ground: Arc<Ground>,
    pub(crate) users: Arc<Users>,
    pub(crate) clocks: [ManualClock; 2],
    profile: Profile,
}

const BEGINNING: i64 = 1_800_000_000;

/// Plays a history, looks at everything when it is over, and answers what it saw.
pub(crate) fn play(history: &History) -> Result<Sights, Violation> {
    let mut world = World::new(history.profile);
    world.play(&history.steps)?;
    Ok(world.sights)
}

/// Plays a history, and tells what happened.
pub(crate) fn tell(history: &History) -> Vec<String> {
    let mut world = World::new(history.profile);
    world.story = Some(Vec::new());
    let outcome = world.play(&history.steps);
    let mut story = world.story.unwrap_or_default();
    if let Err(violation) = outcome {
        story.push(format!("VIOLATED: {}: {}", violation.invariant, violation.how));
    }
    story
}

impl World {
    fn new(profile: Profile) -> Self {
        let machines = Machines::new(profile);
        Self {
            truth: Truth::new(profile, BEGINNING * 1000),
            people: People::default(),
            nodes: Node::BOTH.map(|node| machines.start(node)),
            in_flight: Vec::new(),
            sights: Sights::default(),
            story: None,
            machines,
        }
    }

    fn play(&mut self, steps: &[Step]) -> Check {
        self.act(Act::Sync(Node::A))?;
        self.act(Act::Sync(Node::B))?;
        self.finish_all()?;
        for step in steps {
            self.note(|_| format!("{step:?}"));
            self.act(step.act)?;
            match step.then {
                Then::Finish => self.finish()?,
                Then::Turns(turns) => self.take_turns(turns)?,
                Then::Hang(polls) => self.hang(polls)?,
            }
        }
        self.conclude()
    }

    /// A node is asked something, and works on it until it waits for the first time.
    pub(crate) fn begin(
        &mut self,
        node: Node,
        ask: Ask,
        answer: impl Future<Output = Answered> + 'static,
    ) -> Check {
        let (since, now) = (self.truth.next_moment(), self.now(node));
        let session = ask.session(&self.truth);
        let end = session.map_or(i64::MAX, |session| self.truth.sessions[session].end());
        self.in_flight.push(Operation::new(node, ask, since, now, end, answer));
        self.poll(self.in_flight.len() - 1)
    }

    /// Everything in flight that does not hang runs to its end, the oldest first.
    fn finish(&mut self) -> Check {
        while let Some(next) = self.in_flight.iter().position(|operation| !operation.hangs) {
            self.poll(next)?;
        }
        invariants::a_revocation_of_everything_spares_nothing(&self.truth)
    }

    pub(crate) fn finish_all(&mut self) -> Check {
        for operation in &mut self.in_flight {
            operation.hangs = false;
        }
        self.finish()
    }

    fn take_turns(&mut self, turns: u32) -> Check {
        for pick in Then::picks(turns) {
            if !self.in_flight.is_empty() {
                let index = pick % self.in_flight.len();
                self.in_flight[index].hangs = false;
                self.poll(index)?;
            }
        }
        Ok(())
    }

    fn hang(&mut self, polls: u32) -> Check {
        for _ in 0..polls {
            if !self.in_flight.is_empty() {
                self.poll(self.in_flight.len() - 1)?;
            }
        }
        if let Some(latest) = self.in_flight.last_mut() {
            latest.hangs = true;
        }
        self.finish()
    }

    pub(crate) fn poll(&mut self, index: usize) -> Check {
        let mut operation = self.in_flight.remove(index);
        let polled = operation.poll();
        for deed in self.machines.ground.take_deeds() {
            if let Deed::Pruned { rows, revocations } = &deed {
                self.saw_if(!rows.is_empty(), "row pruned");
                self.saw_if(!revocations.is_empty(), "revocation pruned");
            }
            let earliest = self.now(Node::A);
            self.truth.take_in(deed, operation.node, earliest, &mut operation.record)?;
        }
        for session in std::mem::take(&mut operation.record.touched) {
            self.check_row(session)?;
        }
        match polled {
            Poll::Pending => {
                invariants::an_operation_comes_to_its_end(&operation)?;
                self.in_flight.insert(index, operation);
            }
            Poll::Ready(answered) => {
                self.sights.note(&operation, &answered);
                self.note(|_| format!("  {:?}: {:?}: {answered:?}", operation.node, operation.ask));
                self.judge(&operation, answered)?;
            }
        }
        Ok(())
    }

    /// The store holds of a session what is true.
    pub(crate) fn check_row(&self, session: usize) -> Check {
        let login = &self.truth.sessions[session];
        let row = now(self.machines.ground.row(login.id));
        invariants::a_row_is_there_while_it_is_needed(login, row.as_ref())?;
        let Some(row) = row else { return Ok(()) };
        invariants::a_session_ends_only_when_it_is_ended(login, &row)?;
        invariants::the_ends_of_a_session_stand(login, &row)?;
        invariants::a_generation_follows_from_each_refresh(login, &row)
    }

    /// Shows a token that opens routes to a node.
    pub(crate) fn show(&self, bearer: usize, node: Node) -> Check {
        let bearer: &Bearer = &self.truth.bearers[bearer];
        let authority = &self.nodes[node.index()];
        let failure = shown_to(authority, bearer).err().map(Failure::from);
        let due = self.truth.due(bearer, node, self.now(node));
        match due {
            Due::Accepted => self.sights.saw("token accepted"),
            Due::Refused(why) => self.sights.saw(why),
            Due::Either => {
                self.sights.saw("token shown while it need not be known whether it is good");
            }
        }
        invariants::nothing_dead_is_accepted(bearer, node, due, failure.is_none())?;
        invariants::nothing_alive_is_refused(bearer, node, due, failure.as_ref())
    }

    fn saw_if(&self, seen: bool, what: &'static str) {
        if seen {
            self.sights.saw(what);
        }
    }

    /// The time on the clock of a node, in milliseconds.
    pub(crate) fn now(&self, node: Node) -> i64 {
        self.machines.clocks[node.index()].clock().now_millis()
    }

    pub(crate) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let line = line(self);
            self.story.get_or_insert_default().push(line);
        }
    }
}

/// What a node says to a token that opens routes.
pub(crate) fn shown_to(authority: &Authority, bearer: &Bearer) -> Result<Verified, VerifyError> {
    match bearer.kind {
        BearerKind::Single => authority.authenticate_single(&bearer.text),
        BearerKind::Access | BearerKind::Sliding => authority.authenticate(&bearer.text),
    }
}

impl Machines {
    fn new(profile: Profile) -> Self {
        let clocks = Node::BOTH.map(|_| ManualClock::at_unix_seconds(BEGINNING));
        clocks[Node::B.index()].advance(duration(profile.skew()));
        let ground = Arc::new(Ground::default());
        let users = Arc::new(Users::new(Arc::clone(&ground)));
        Self { ground, users, clocks, profile }
    }

    /// A new process.
    pub(crate) fn start(&self, node: Node) -> Authority {
        let clock = self.clocks[node.index()].clock();
        let (ground, log) = (Arc::clone(&self.ground), Arc::clone(&self.ground));
        Authority::builder(self.profile.settings())
            .store(NodeStore { node, clock: clock.clone(), ground })
            .users(Directory(Arc::clone(&self.users)))
            .clock(clock)
            .on_event(move |event| log.note(Deed::Told(event.clone())))
            .build()
            .expect("the settings of the simulation have no fault")
    }
}
