//! Tests that fail when something blocks a worker, or hangs:
//!
//! ```sh
//! cargo test --example blocking_test
//! ```
//!
//! A program needs `asynctop-probe` with the feature `watchdog` as a development dependency.

fn main() {
    println!("these are tests: cargo test --example blocking_test");
}

#[cfg(test)]
mod tests {
    use std::{fs, thread, time::Duration};

    use asynctop_probe::testing::{self, Check};
    use tokio::sync::oneshot;

    const LIMIT: Duration = Duration::from_millis(50);

    /// The code under test: it reads a file in a task of its own.
    async fn size_of_manifest() -> usize {
        let read = asynctop_probe::spawn(async {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
            tokio::task::spawn_blocking(move || fs::read(path)).await
        });
        read.await.expect("no panic").expect("no panic").expect("the file is there").len()
    }

    #[tokio::test]
    async fn reading_a_file_does_not_block() {
        let size = testing::run(LIMIT, size_of_manifest()).await;
        assert!(size > 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    #[should_panic(expected = "blocked its worker for")]
    async fn std_sleep_fails_the_test() {
        testing::run(LIMIT, async {
            let task = asynctop_probe::spawn(async { thread::sleep(Duration::from_millis(300)) });
            task.await.expect("no panic");
        })
        .await;
    }

    /// The task of a library, which is not measured.
    #[tokio::test]
    #[should_panic(expected = "code that is not measured")]
    async fn blocking_library_fails_the_test() {
        testing::run(LIMIT, async {
            let task = tokio::spawn(async { thread::sleep(Duration::from_millis(300)) });
            task.await.expect("no panic");
        })
        .await;
    }

    #[tokio::test]
    #[should_panic(expected = "the test hangs")]
    async fn answer_that_never_comes_fails_the_test() {
        let (_sender, answer) = oneshot::channel::<()>();
        Check::new(LIMIT)
            .hang_after(Duration::from_millis(500))
            .run(async { answer.await.expect("the sender lives") })
            .await;
    }
}
