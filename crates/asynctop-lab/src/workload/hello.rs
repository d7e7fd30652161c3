//! A `main` that spawns tasks, each of which says hello once, and awaits none of them.

use std::{
    io,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    kind::{millis, secs},
};
use crate::{
    lock::lock,
    metrics::{Count, Text},
    spawner::Spawner,
};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "hello",
    about: "a main that spawns tasks which say hello, then sleeps and awaits none of them",
    unit: None,
    params: &[&TASKS, &SLEEP, &REST],
    max_tasks,
    open,
};

const MAX_TASKS: usize = 100;

static TASKS: Param = Param {
    name: "tasks",
    about: "how many tasks say hello",
    param_type: ParamType::Count { default: 10, min: 1, max: MAX_TASKS as u64 },
};

static SLEEP: Param = Param {
    name: "sleep",
    about: "how long main sleeps after it has spawned them",
    param_type: ParamType::Duration { default: secs(1), min: millis(1), max: secs(60) },
};

static REST: Param = Param {
    name: "rest",
    about: "the pause of main before it starts again",
    param_type: ParamType::Duration { default: secs(3), min: millis(1), max: secs(3600) },
};

fn max_tasks(count: usize, params: &Params) -> usize {
    count.saturating_mul(1 + params.count(&TASKS))
}

struct Hello(Main);

#[derive(Clone)]
struct Main {
    spawner: Spawner,
    tasks: usize,
    sleep: Duration,
    rest: Duration,
    order: Text,
    /// Tasks that ran before main slept.
    early: Count,
}

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(Hello(Main {
        spawner,
        tasks: params.count(&TASKS),
        sleep: params.duration(&SLEEP),
        rest: params.duration(&REST),
        order: metrics.text("last order"),
        early: metrics.count("hellos while main still spawned"),
    })))
}

impl Workload for Hello {
    fn start(&mut self, number: usize) -> Instance {
        let name = if number == 1 { "main".to_owned() } else { format!("main-{number}") };
        self.0.spawner.spawn(&name, main(self.0.clone())).into()
    }
}

/// One iteration of main.
#[derive(Default)]
struct Iteration {
    /// The numbers of the tasks that have said hello, in their order.
    order: Mutex<Vec<usize>>,
    main_sleeps: AtomicBool,
}

async fn main(main: Main) {
    loop {
        stage("spawns tasks, awaits none of them");
        let iteration = Arc::new(Iteration::default());
        for number in 1..=main.tasks {
            let hello = hello(number, Arc::clone(&iteration), main.early.clone());
            main.spawner.spawn(&format!("hello-{number}"), hello);
        }
        iteration.main_sleeps.store(true, Ordering::Relaxed);
        stage("sleeps: its first await lets other tasks run");
        sleep(main.sleep).await;
        let order = lock(&iteration.order).clone();
        stage(match order.len() == main.tasks {
            true => "woke up: all have said hello",
            false => "woke up: some have not said hello yet",
        });
        main.order.set(order.iter().map(usize::to_string).collect::<Vec<_>>().join(" "));
        sleep(main.rest).await;
    }
}

async fn hello(number: usize, iteration: Arc<Iteration>, early: Count) {
    let main_sleeps = iteration.main_sleeps.load(Ordering::Relaxed);
    let position = {
        let mut order = lock(&iteration.order);
        order.push(number);
        order.len()
    };
    if !main_sleeps {
        early.add(1);
    }
    let texts = STAGES.get(position - 1).copied().unwrap_or_default();
    stage(texts[usize::from(main_sleeps)]);
}

/// The stage of a task by its position in the order, before main sleeps and while it sleeps. A
/// stage is a `&'static str`.
static STAGES: LazyLock<Vec<[&'static str; 2]>> = LazyLock::new(|| {
    let text = |position: usize, when: &str| -> &'static str {
        let suffix = match (position % 10, position % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        format!("said hello {position}{suffix}, while main {when}").leak()
    };
    (1..=MAX_TASKS).map(|n| [text(n, "still spawned"), text(n, "slept")]).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_the_correct_ordinal_suffix() {
        let text = |position: usize| STAGES[position - 1][1].split(',').next().unwrap_or_default();
        let expected = [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")];
        for (position, ordinal) in expected {
            assert_eq!(text(position), format!("said hello {ordinal}"));
        }
    }
}
