//! A `main` that spawns tasks which print hello, and awaits none of them.

use std::{
    io,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Allows, Kind, Opening, Param, Params, Unit, Workload,
    kind::{millis, secs},
};
use crate::{
    gauge::{Count, Text},
    spawner::Spawner,
};

pub(super) static KIND: Kind = Kind {
    name: "hello",
    about: "a main that spawns tasks which say hello, then sleeps and awaits none of them",
    unit: None,
    params: &[&TASKS, &SLEEP, &REST],
    tasks,
    open,
};

const MOST: usize = 100;

static TASKS: Param = Param {
    name: "tasks",
    about: "how many say hello",
    allows: Allows::Count { default: 10, least: 1, most: MOST as u64 },
};

static SLEEP: Param = Param {
    name: "sleep",
    about: "how long main sleeps after it has spawned them",
    allows: Allows::Duration { default: secs(1), least: millis(1), most: secs(60) },
};

static REST: Param = Param {
    name: "rest",
    about: "the pause of main before it starts again",
    allows: Allows::Duration { default: secs(3), least: millis(1), most: secs(3600) },
};

fn tasks(count: usize, params: &Params) -> usize {
    count.saturating_mul(1 + params.count(&TASKS))
}

struct Hello(Main);

/// What a main needs.
#[derive(Clone)]
struct Main {
    spawner: Spawner,
    tasks: usize,
    sleep: Duration,
    rest: Duration,
    order: Text,
    early: Count,
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(Hello(Main {
        spawner,
        tasks: params.count(&TASKS),
        sleep: params.duration(&SLEEP),
        rest: params.duration(&REST),
        order: gauges.text("last order"),
        early: gauges.count("hellos while main still spawned"),
    })))
}

impl Workload for Hello {
    fn start(&mut self, number: usize) -> Unit {
        let name = if number == 1 { "main".to_owned() } else { format!("main-{number}") };
        self.0.spawner.spawn(&name, main(self.0.clone())).1.into()
    }
}

/// One time that all say hello.
#[derive(Default)]
struct Round {
    said: Mutex<Vec<usize>>,
    main_sleeps: AtomicBool,
}

async fn main(main: Main) {
    loop {
        stage("spawns tasks, awaits none of them");
        let round = Arc::new(Round::default());
        for number in 1..=main.tasks {
            let hello = hello(number, Arc::clone(&round), main.early.clone());
            main.spawner.spawn(&format!("hello-{number}"), hello);
        }
        round.main_sleeps.store(true, Ordering::Relaxed);
        stage("sleeps: its first await lets others run");
        sleep(main.sleep).await;
        let said = round.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stage(match said.len() == main.tasks {
            true => "woke up: all have said hello",
            false => "woke up: some have not said hello yet",
        });
        main.order.set(said.iter().map(usize::to_string).collect::<Vec<_>>().join(" "));
        sleep(main.rest).await;
    }
}

async fn hello(number: usize, round: Arc<Round>, early: Count) {
    let main_sleeps = round.main_sleeps.load(Ordering::Relaxed);
    let place = {
        let mut said = round.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push(number);
        said.len()
    };
    if !main_sleeps {
        early.add(1);
    }
    let words = SAID.get(place - 1).copied().unwrap_or_default();
    stage(words[usize::from(main_sleeps)]);
}

/// What each place says, before main sleeps and while it does. A stage is a static text.
static SAID: LazyLock<Vec<[&'static str; 2]>> = LazyLock::new(|| {
    let text = |place: usize, when: &str| -> &'static str {
        let ending = match (place % 10, place % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        format!("said hello {place}{ending}, while main {when}").leak()
    };
    (1..=MOST).map(|place| [text(place, "still spawned"), text(place, "slept")]).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_said_as_people_say_them() {
        let said = |place: usize| SAID[place - 1][1].split(',').next().unwrap_or_default();
        let expected = [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")];
        for (place, words) in expected {
            assert_eq!(said(place), format!("said hello {words}"));
        }
    }
}
