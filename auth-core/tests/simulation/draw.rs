//! How histories are drawn, and made simpler when they fail.
//!
//! A step is made out of a few numbers. Ready-made strategies within strategies would do that as
//! well, and take longer than playing the histories.

use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

use super::history::{
    Act, Answer, Credential, History, Lost, Node, Nodes, Place, Span, Step, Then, Who,
};
use super::profile::Profile;

/// Histories of 20 to 80 steps.
pub(crate) fn histories() -> impl Strategy<Value = History> {
    let steps = proptest::collection::vec(AnyStep, 20..=80);
    (Profile::any(), steps).prop_map(|(profile, steps)| History { profile, steps })
}

#[derive(Debug)]
struct AnyStep;

impl Strategy for AnyStep {
    type Tree = StepTree;
    type Value = Step;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let (details, then) = (runner.rng().next_u64(), runner.rng().next_u32());
        let [act, whom, how, other_node] = [details >> 48, details >> 32, details >> 16, details];
        let numbers = [act, whom, how, other_node].map(|number| (number & 0xffff) as u32);
        let [act, whom, how, other_node] = numbers;
        // Half of what happens concerns the first few, so that it meets.
        let whom = if whom > 0x7fff { whom % 256 } else { whom % 2 };
        Ok(StepTree {
            numbers: [act % sum(ACTS), whom, how, other_node % 2, then % THENS],
            field: 0,
            halves: false,
            before: None,
        })
    }
}

/// The numbers of a step. Smaller ones make a simpler one: each is tried as 0, and then halved as
/// long as that works.
#[derive(Debug)]
struct StepTree {
    numbers: [u32; 5],
    field: usize,
    halves: bool,
    before: Option<u32>,
}

impl ValueTree for StepTree {
    type Value = Step;

    fn current(&self) -> Step {
        let [act, whom, how, other_node, then] = self.numbers;
        let dice = Dice { whom: whom as u8, how: how as u16, other_node: other_node == 1 };
        Step { act: pick(act, ACTS)(dice), then: then_of(then) }
    }

    fn simplify(&mut self) -> bool {
        while let Some(number) = self.numbers.get_mut(self.field) {
            let simpler = if self.halves { *number / 2 } else { 0 };
            if *number > 0 && !(self.halves && simpler == 0) {
                self.before = Some(std::mem::replace(number, simpler));
                return true;
            }
            (self.field, self.halves) = (self.field + 1, false);
        }
        false
    }

    fn complicate(&mut self) -> bool {
        let Some(before) = self.before.take() else { return false };
        self.numbers[self.field] = before;
        match self.halves {
            false => self.halves = true,
            true => (self.field, self.halves) = (self.field + 1, false),
        }
        true
    }
}

const THENS: u32 = 20 << 18;

fn then_of(number: u32) -> Then {
    let details = number / 20;
    match number % 20 {
        0..12 => Then::Finish,
        12..15 => Then::Hang(details % 5),
        _ => Then::Turns(details),
    }
}

/// What the details of an act are made of.
#[derive(Clone, Copy)]
struct Dice {
    whom: u8,
    how: u16,
    other_node: bool,
}

type Weighted<T> = [(u32, T)];

const ACTS: &Weighted<fn(Dice) -> Act> = &[
    (14, |dice| Act::Wait { span: dice.span(), synced: dice.how % 10 < 7 }),
    (6, |dice| Act::Sync(dice.node())),
    (12, |dice| Act::Login { user: dice.whom, gets: dice.credential(), at: dice.node() }),
    (25, |dice| Act::Refresh {
        who: dice.who(),
        at: dice.node(),
        from: dice.place(),
        answer: dice.answer(),
    }),
    (8, |dice| Act::Show(dice.who())),
    (6, |dice| Act::RefreshInTabs { client: dice.whom, tabs: 2 + dice.how as u8 % 3 }),
    (8, |dice| Act::Steal { from: dice.whom }),
    (2, |dice| Act::ForeignLogin { user: dice.whom, outlives_us: dice.other_node }),
    (2, |dice| Act::Logout { who: dice.who(), at: dice.node() }),
    (2, |dice| Act::Blacklist { who: dice.who(), at: dice.node() }),
    (2, |dice| Act::RevokeSession { client: dice.whom, at: dice.node() }),
    (2, |dice| Act::RevokeOthers { client: dice.whom, at: dice.node() }),
    (1, |dice| Act::RevokePrincipal { user: dice.whom, at: dice.node() }),
    (1, |dice| Act::ChangePassword { user: dice.whom, at: dice.node() }),
    (3, |dice| Act::ChangeRole { user: dice.whom }),
    (6, |dice| Act::ChangeRights { user: dice.whom, at: dice.node() }),
    (2, |dice| Act::Deactivate { user: dice.whom, at: dice.node() }),
    (3, |dice| Act::Reactivate { user: dice.whom }),
    (3, |dice| Act::StoreFails { on: dice.nodes(), lost: dice.lost(), verbs: 1 + dice.whom % 5 }),
    (2, |dice| Act::DirectoryFails { questions: 1 + dice.whom % 3 }),
    (2, |_| Act::Heal),
    (4, |dice| Act::Crash { operation: dice.whom }),
    (2, |dice| Act::Restart(dice.node())),
    (4, |dice| Act::Prune(dice.node())),
    (2, |_| Act::LookAround),
];

const SPANS: &Weighted<fn(Dice) -> Span> = &[
    (4, |dice| Span::Millis(1 + dice.how % 20_000)),
    (2, |_| Span::Grace),
    (2, |_| Span::PastGrace),
    (1, |_| Span::Staleness),
    (1, |_| Span::PastStaleness),
    (2, |_| Span::AccessLifetime),
    (2, |dice| Span::ToTheEndOf { client: dice.whom, past: dice.other_node }),
    (1, |dice| Span::Hours(1 + dice.how as u8 % 50)),
];

const CREDENTIALS: &Weighted<Credential> = &[
    (6, Credential::Pair),
    (2, Credential::Cookie),
    (1, Credential::Sliding),
    (1, Credential::Single),
];

const PLACES: &Weighted<Place> = &[
    (12, Place::Home),
    (1, Place::NextDoor),
    (1, Place::Abroad),
    (1, Place::OtherAgent),
    (1, Place::Unknown),
];

/// What a number below the sum of all weights stands for.
fn pick<T: Copy>(mut number: u32, of: &Weighted<T>) -> T {
    for (weight, this) in of {
        match number.checked_sub(*weight) {
            None => return *this,
            Some(rest) => number = rest,
        }
    }
    unreachable!("the number is below the sum of the weights")
}

/// As `pick`, by a number without a bound.
fn pick_any<T: Copy>(number: u16, of: &Weighted<T>) -> T {
    pick(u32::from(number) % sum(of), of)
}

fn sum<T>(of: &Weighted<T>) -> u32 {
    of.iter().map(|(weight, _)| weight).sum()
}

impl Dice {
    fn node(self) -> Node {
        if self.other_node { Node::B } else { Node::A }
    }

    fn nodes(self) -> Nodes {
        if self.how.is_multiple_of(2) { Nodes::Both } else { Nodes::One(self.node()) }
    }

    fn who(self) -> Who {
        if self.how % 5 < 4 { Who::Client(self.whom) } else { Who::Thief(self.whom) }
    }

    fn credential(self) -> Credential {
        pick_any(self.how, CREDENTIALS)
    }

    fn place(self) -> Place {
        pick_any(self.how / 5, PLACES)
    }

    fn answer(self) -> Answer {
        if self.how / 80 % 5 < 4 { Answer::Arrives } else { Answer::IsLost }
    }

    fn lost(self) -> Lost {
        if (self.how / 2).is_multiple_of(2) { Lost::Question } else { Lost::Answer }
    }

    fn span(self) -> Span {
        pick_any(self.how / 10, SPANS)(self)
    }
}
