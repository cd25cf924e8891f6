//! What the benchmarks share: taking turns, medians, a table with ratios, and a user directory.
#![allow(dead_code, reason = "each benchmark uses a part")]

use std::time::Instant;

use auth_core::{Account, Outage, Principal, Proof, UserDirectory};
use tokio::runtime::{Builder, Runtime};

/// A directory in which everybody is a user, with these scopes.
#[derive(Default)]
pub struct Anybody {
    pub scopes: Vec<String>,
}

#[auth_core::async_trait]
impl UserDirectory for Anybody {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, id: &str) -> Result<Option<Account>, Outage> {
        let mut account = Account::new(Principal::new("user", id), id);
        account.scopes.clone_from(&self.scopes);
        Ok(Some(account))
    }
}

pub fn proof(user_id: impl ToString) -> Proof {
    Proof::vouched(Principal::new("user", user_id.to_string()), [])
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}

/// How long a call takes, in nanoseconds.
pub fn time_of(calls: u32, mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..calls {
        call();
    }
    begun.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// The same of calls that are awaited, one after the other.
pub async fn time_of_awaited(calls: u32, mut call: impl AsyncFnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..calls {
        call().await;
    }
    begun.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// The median of each of the times that a round answers. In a round all take their turn, so that what
/// the machine does meanwhile hits all alike.
pub fn medians<const N: usize>(rounds: usize, mut round: impl FnMut() -> [f64; N]) -> [f64; N] {
    let mut times = [(); N].map(|()| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        for (times, time) in times.iter_mut().zip(round()) {
            times.push(time);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

pub fn print_head<const N: usize>(rows: &str, columns: [&str; N]) {
    print!("{rows:>32}");
    for column in columns {
        print!("  {column:>20}");
    }
    println!();
}

/// The times of a row, each with its ratio to the first.
pub fn print_row<const N: usize>(name: &str, nanoseconds: [f64; N]) {
    print!("{name:>32}");
    for time in nanoseconds {
        let (digits, ratio) = (if time < 10.0 { 1 } else { 0 }, time / nanoseconds[0]);
        let decimals = if ratio < 0.1 { 4 } else { 2 };
        print!("  {:>20}", format!("{time:.digits$} ns {ratio:>7.decimals$}"));
    }
    println!();
}
