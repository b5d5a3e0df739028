//! The cluster lock, against ourselves and against the stock helper.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::room::{Room, runs, stock, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standin_core::host::LockNews;
use standin_node::jobs::lock::hold;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

const HELPER: &str = "ctdb_mutex_fcntl_helper";

/// A lock that is tried or held.
struct Lock {
    news: UnboundedReceiver<LockNews>,
    task: JoinHandle<()>,
}

impl Lock {
    fn new(name: &str, helper: Option<PathBuf>) -> Self {
        let (tell, news) = unbounded_channel();
        let name = name.to_string();
        let task = tokio::spawn(async move { hold(&name, helper.as_deref(), tell).await });
        Self { news, task }
    }

    fn on(file: &Path, helper: Option<PathBuf>) -> Self {
        Self::new(file.to_str().unwrap(), helper)
    }

    async fn next(&mut self) -> Option<LockNews> {
        timeout(LONG, self.news.recv()).await.expect("there is news")
    }

    async fn drop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// What the stock helper says at once, and the helper.
async fn stock_says(file: &Path) -> (char, Child) {
    let mut command = Command::new(stock(HELPER));
    let command = command.arg(file).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let said = timeout(LONG, child.stdout.as_mut().unwrap().read_u8()).await.unwrap().unwrap();
    (said.into(), child)
}

async fn held_in_the_end(file: &Path, helper: Option<PathBuf>) -> Lock {
    let begin = Instant::now();
    loop {
        let mut lock = Lock::on(file, helper.clone());
        match lock.next().await {
            Some(LockNews::Held) => return lock,
            other => assert!(begin.elapsed() < LONG, "still {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_of_two_holds_it_whoever_they_are() {
    let room = Room::new();
    let file = room.file("lock");
    for first in [None, Some(stock(HELPER))] {
        for second in [None, Some(stock(HELPER))] {
            let mut held = held_in_the_end(&file, first.clone()).await;
            let mut other = Lock::on(&file, second.clone());
            assert_eq!(other.next().await, Some(LockNews::Busy), "{first:?} {second:?}");
            assert_eq!(other.next().await, None, "busy is the end");
            assert!(held.news.try_recv().is_err());
            held.drop().await;
            held_in_the_end(&file, second.clone()).await.drop().await;
        }
    }
    let (said, mut helper) = stock_says(&file).await;
    assert_eq!(said, '0');
    assert_eq!(Lock::on(&file, None).next().await, Some(LockNews::Busy));
    helper.start_kill().unwrap();
    helper.wait().await.unwrap();
    held_in_the_end(&file, None).await.drop().await;
}

#[tokio::test]
async fn a_file_that_goes_takes_the_lock_along() {
    let room = Room::new();
    let file = room.file("lock");
    let mut lock = Lock::on(&file, None);
    assert_eq!(lock.next().await, Some(LockNews::Held));
    fs::remove_file(&file).unwrap();
    assert_eq!(lock.next().await, Some(LockNews::Lost));
    assert_eq!(lock.next().await, None);
}

#[tokio::test]
async fn another_file_of_that_name_is_another_lock() {
    let room = Room::new();
    let file = room.file("lock");
    let mut lock = Lock::on(&file, None);
    assert_eq!(lock.next().await, Some(LockNews::Held));
    fs::rename(room.write("other", ""), &file).unwrap();
    assert_eq!(lock.next().await, Some(LockNews::Lost));
}

#[tokio::test]
async fn what_cannot_be_tried_has_failed() {
    let room = Room::new();
    let names = [room.path().to_str().unwrap(), "/there/is/none", "!", "!/there/is/none", "!true"];
    for name in names {
        let mut lock = Lock::new(name, None);
        assert_eq!(lock.next().await, Some(LockNews::Failed), "{name}");
        assert_eq!(lock.next().await, None);
    }
    let mut lock = Lock::on(room.path(), Some(stock(HELPER)));
    assert_eq!(lock.next().await, Some(LockNews::Failed));
}

#[tokio::test]
async fn a_commands_first_byte_is_its_word() {
    let room = Room::new();
    let helper = room.script("helper", "printf \"$1\"; [ \"$1\" = 0 ] && exec sleep 1000");
    let words = [("1", LockNews::Busy), ("2", LockNews::TimedOut), ("3", LockNews::Failed)];
    for (word, news) in words.into_iter().chain([("x", LockNews::Failed), ("0", LockNews::Held)]) {
        let mut lock = Lock::new(&format!("!{} {word}  ignored", helper.display()), None);
        assert_eq!(lock.next().await, Some(news), "{word}");
        lock.drop().await;
    }
}

#[tokio::test]
async fn a_helper_that_ends_loses_the_lock() {
    let room = Room::new();
    let id = room.file("id");
    // What it leaves behind holds its output open.
    let body = format!("sleep 1000 &\necho $$ $! >{}; printf 0; wait", id.display());
    let mut lock = Lock::new(&format!("!{}", room.script("helper", &body).display()), None);
    assert_eq!(lock.next().await, Some(LockNews::Held));
    let ids = room.read("id").await;
    let (helper, child) = ids.trim().split_once(' ').unwrap();
    kill(Pid::from_raw(helper.parse().unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(lock.next().await, Some(LockNews::Lost));
    assert_eq!(lock.next().await, None);
    kill(Pid::from_raw(child.parse().unwrap()), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_helper_is_ended_with_the_lock_even_if_it_is_deaf() {
    let room = Room::new();
    let id = room.file("id");
    let body = format!("trap '' TERM; echo $$ >{}; printf 0; while :; do sleep 1; done", id.display());
    let mut lock = Lock::new(&format!("!{}", room.script("helper", &body).display()), None);
    assert_eq!(lock.next().await, Some(LockNews::Held));
    let id = room.read("id").await;
    assert!(runs(&id));
    lock.drop().await;
    until("the helper is killed", || !runs(&id)).await;
}

const HOLD_HERE: &str = "STANDIN_TEST_HOLD";

/// The other side of the next test.
#[tokio::test]
async fn holds_what_the_environment_names() {
    let Ok(file) = std::env::var(HOLD_HERE) else { return };
    let mut lock = Lock::new(&file, None);
    println!("\n{:?}", lock.next().await);
    lock.next().await;
}

#[tokio::test]
async fn a_stopped_daemon_keeps_the_lock_and_a_dead_one_does_not() {
    let room = Room::new();
    let file = room.file("lock");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "lock::holds_what_the_environment_names", "--nocapture"]);
    command.env(HOLD_HERE, &file).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut daemon = command.spawn().unwrap();
    let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    while timeout(LONG, lines.next_line()).await.unwrap().unwrap().unwrap() != "Some(Held)" {}
    let id = Pid::from_raw(daemon.id().unwrap().try_into().unwrap());
    kill(id, Signal::SIGSTOP).unwrap();
    assert_eq!(stock_says(&file).await.0, '1');
    assert_eq!(Lock::on(&file, None).next().await, Some(LockNews::Busy));
    daemon.start_kill().unwrap();
    daemon.wait().await.unwrap();
    assert_eq!(stock_says(&file).await.0, '0');
}
