//! Scripts that behave, and scripts that do not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use super::room::{Room, runs, until};
use standin_core::host::{FileError, Script, ScriptEnd};
use standin_node::jobs::scripts::{EventEnd, OUTPUT_MAX, Outcome, Scripts, Setting};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn plain() -> Scripts {
    Scripts::new(Setting::default())
}

async fn run(scripts: &Scripts, path: &Path, limit: Duration) -> ScriptEnd {
    scripts.run(path, "monitor", &[], limit).await
}

fn output(scripts: &Scripts, event: &str) -> String {
    let run = scripts.last(event).expect("the event was remembered");
    String::from_utf8_lossy(&run.scripts.last().unwrap().output).into_owned()
}

#[tokio::test]
async fn a_script_gets_its_event_arguments_and_environment_and_no_input() {
    let room = Room::new();
    let path = room.script("00.a.script", "echo \"$# $1 $2 $3 $COLOUR\"; echo err >&2; cat; exit 7");
    let environment = vec![("COLOUR".to_string(), "blue".to_string())];
    let scripts = Scripts::new(Setting { environment, ..Setting::default() });
    let arguments = ["eth0".to_string(), "10.0.0.1 24".to_string()];
    assert_eq!(scripts.run(&path, "takeip", &arguments, LONG).await, ScriptEnd::Failed(7));
    assert_eq!(output(&scripts, "takeip"), "3 takeip eth0 10.0.0.1 24 blue\nerr\n");
    let run = scripts.last("takeip").unwrap();
    assert_eq!((run.summary(), run.scripts[0].name.as_str()), (7, "00.a"));
    assert!(run.scripts[0].begin <= run.scripts[0].end);
}

#[tokio::test]
async fn every_end_has_its_answer() {
    let room = Room::new();
    let scripts = plain();
    let ok = room.script("00.ok.script", "exit 0");
    let killed = room.script("01.killed.script", "kill -9 $$");
    let no_program = room.write("02.text.script", "no program\n");
    fs::set_permissions(&no_program, fs::Permissions::from_mode(0o755)).unwrap();
    let off = room.write("03.off.script", "#!/bin/sh\nexit 1\n");
    let no_interpreter = room.script("04.none.script", "");
    fs::write(&no_interpreter, "#!/there/is/none\n").unwrap();
    let cases = [
        (&ok, ScriptEnd::Ok, 0),
        (&killed, ScriptEnd::Failed(137), -4),
        (&no_program, ScriptEnd::Ok, -8),
        (&off, ScriptEnd::Ok, -8),
        (&no_interpreter, ScriptEnd::NotStarted, -2),
        (&room.file("05.gone.script"), ScriptEnd::NotStarted, -2),
    ];
    for (path, end, result) in cases {
        assert_eq!(run(&scripts, path, LONG).await, end, "{}", path.display());
        let last = scripts.last("monitor").unwrap();
        assert_eq!(last.scripts[0].outcome.result(), result, "{}", path.display());
    }
}

#[tokio::test]
async fn a_script_that_hangs_is_looked_at_and_ended_with_all_it_started() {
    let room = Room::new();
    let body = "sleep 1000 & echo $! >child; echo $$ >leader; echo begun; wait";
    let path = room.script("00.hang.script", &format!("cd {}\n{body}", room.path().display()));
    let debug = room.script("debug.sh", &format!("echo \"$1 $2\" >{}", room.file("seen").display()));
    let scripts = Scripts::new(Setting { debug_script: Some(debug), ..Setting::default() });
    assert_eq!(run(&scripts, &path, SHORT).await, ScriptEnd::TimedOut);
    let (leader, child) = (room.read("leader").await, room.read("child").await);
    assert_eq!(room.read("seen").await, format!("{} monitor\n", leader.trim()));
    until("the group ends", || !runs(&leader) && !runs(&child)).await;
    assert_eq!(output(&scripts, "monitor"), "begun\n");
    assert_eq!(scripts.last("monitor").unwrap().summary(), -110);
}

#[tokio::test]
async fn a_script_that_ignores_sigterm_is_killed() {
    let room = Room::new();
    let leader = room.file("leader");
    let body = format!("trap '' TERM; echo $$ >{}; while :; do sleep 1; done", leader.display());
    let path = room.script("00.deaf.script", &body);
    let begin = Instant::now();
    assert_eq!(run(&plain(), &path, SHORT).await, ScriptEnd::TimedOut);
    assert!(begin.elapsed() < Duration::from_secs(10), "nobody waits for a script that hangs");
    let leader = room.read("leader").await;
    until("the script is killed", || !runs(&leader)).await;
}

#[tokio::test]
async fn a_debug_script_that_hangs_delays_nobody() {
    let room = Room::new();
    let path = room.script("00.hang.script", "exec sleep 1000");
    let debug = room.script("debug.sh", "exec sleep 1000");
    let scripts = Scripts::new(Setting { debug_script: Some(debug), ..Setting::default() });
    let begin = Instant::now();
    assert_eq!(run(&scripts, &path, SHORT).await, ScriptEnd::TimedOut);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_a_script_leaves_behind_keeps_nobody_waiting_and_lives() {
    let room = Room::new();
    let body = format!("echo before\nsleep 1000 &\necho $! >{}", room.file("child").display());
    let path = room.script("00.linger.script", &body);
    let scripts = plain();
    let begin = Instant::now();
    assert_eq!(run(&scripts, &path, LONG).await, ScriptEnd::Ok);
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert_eq!(output(&scripts, "monitor"), "before\n");
    let child = room.read("child").await;
    assert!(runs(&child), "a script may start a service");
    let id = nix::unistd::Pid::from_raw(child.trim().parse().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn what_prints_without_end_after_the_script_keeps_nobody_waiting() {
    let room = Room::new();
    let path = room.script("00.chatter.script", "yes &");
    let begin = Instant::now();
    assert_eq!(run(&plain(), &path, LONG).await, ScriptEnd::Ok);
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn fifty_megabytes_are_read_and_their_end_kept() {
    let room = Room::new();
    let path = room.script("00.loud.script", "head -c 50000000 /dev/zero | tr '\\0' x; echo; echo end");
    let scripts = plain();
    assert_eq!(run(&scripts, &path, LONG).await, ScriptEnd::Ok);
    let text = output(&scripts, "monitor");
    let left_out = 50_000_005 - OUTPUT_MAX;
    assert!(text.starts_with(&format!("[{left_out} bytes left out]\nxxx")) && text.ends_with("x\nend\n"));
}

#[tokio::test]
async fn a_script_that_nobody_waits_for_is_ended_and_its_event_forgotten() {
    let room = Room::new();
    let body = format!("sleep 1000 & echo $! >{}; wait", room.file("child").display());
    let path = room.script("00.a.script", &body);
    let scripts = plain();
    scripts.list(room.path()).await.unwrap();
    let running = {
        let (scripts, path) = (scripts.clone(), path.clone());
        tokio::spawn(async move { run(&scripts, &path, LONG).await })
    };
    let child = room.read("child").await;
    running.abort();
    until("the child ends", || !runs(&child)).await;
    assert_eq!(scripts.last("monitor"), None);
    // And nobody else waits for its turn.
    room.script("00.a.script", "exit 0");
    assert_eq!(scripts.event(room.path(), "startup", &[], LONG, false).await, EventEnd::Ok);
}

#[tokio::test]
async fn a_directory_names_its_files_and_who_may_be_executed() {
    let room = Room::new();
    room.script("00.a.script", "");
    room.write("01.b.script", "");
    room.write("README", "");
    symlink("/there/is/none", room.file("02.c.script")).unwrap();
    let mut found = plain().list(room.path()).await.unwrap();
    found.sort_unstable();
    let named = |name: &str, enabled| Script { name: name.into(), enabled };
    let expected = [("00.a.script", true), ("01.b.script", false), ("02.c.script", true), ("README", false)];
    assert_eq!(found, expected.map(|(name, enabled)| named(name, enabled)));
    assert_eq!(plain().list(&room.file("none")).await, Err(FileError::Missing));
    assert_eq!(plain().list(&room.file("README")).await, Err(FileError::Other));
}

#[tokio::test]
async fn scripts_run_one_by_one_are_remembered_as_one_event() {
    let room = Room::new();
    let first = room.script("00.a.script", "exit 0");
    room.write("01.off.script", "");
    let last = room.script("02.b.script", "exit 3");
    room.write("03.off.script", "");
    let scripts = plain();
    let results = |scripts: &Scripts| {
        let run = scripts.last("monitor")?;
        let one = |ran: &standin_node::jobs::scripts::Ran| (ran.name.clone(), ran.outcome);
        Some(run.scripts.iter().map(one).collect::<Vec<_>>())
    };
    let name = |name: &str, outcome| (name.to_string(), outcome);
    scripts.list(room.path()).await.unwrap();
    run(&scripts, &first, LONG).await;
    assert_eq!(results(&scripts), None, "the event is not over");
    run(&scripts, &last, LONG).await;
    let mut expected = vec![
        name("00.a", Outcome::Exited(0)),
        name("01.off", Outcome::Disabled),
        name("02.b", Outcome::Exited(3)),
    ];
    assert_eq!(results(&scripts), Some(expected.clone()), "what fails is the last");

    room.script("02.b.script", "exit 0");
    scripts.list(room.path()).await.unwrap();
    run(&scripts, &first, LONG).await;
    assert_eq!(results(&scripts), Some(expected.clone()), "until it is over the last one counts");
    run(&scripts, &last, LONG).await;
    expected[2].1 = Outcome::Exited(0);
    expected.push(name("03.off", Outcome::Disabled));
    assert_eq!(results(&scripts), Some(expected));
}

#[tokio::test]
async fn the_machine_and_an_operator_take_turns() {
    let room = Room::new();
    let path = room.script("00.a.script", "exit 0");
    let scripts = plain();
    scripts.list(room.path()).await.unwrap();
    assert_eq!(scripts.event(room.path(), "monitor", &[], LONG, false).await, EventEnd::Cancelled);
    let waiting = scripts.event(room.path(), "startup", &[], LONG, false);
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        end = &mut waiting => panic!("it did not wait: {end:?}"),
        end = run(&scripts, &path, LONG) => assert_eq!(end, ScriptEnd::Ok),
    }
    assert_eq!(waiting.await, EventEnd::Ok);
    assert!(scripts.last("startup").is_some());
}

#[tokio::test]
async fn an_operators_monitor_event_makes_way_for_the_machine() {
    let room = Room::new();
    let begun = room.file("begun");
    room.script("00.a.script", &format!("echo $$ >{}; exec sleep 1000", begun.display()));
    let scripts = plain();
    let monitor = scripts.event(room.path(), "monitor", &[], LONG, false);
    let machine = async {
        let id = room.read("begun").await;
        assert_eq!(scripts.list(room.path()).await.unwrap().len(), 2);
        id
    };
    let (end, id) = tokio::join!(monitor, machine);
    assert_eq!(end, EventEnd::Cancelled);
    until("the script ends", || !runs(&id)).await;
    assert_eq!(scripts.last("monitor"), None);
}

#[tokio::test]
async fn one_limit_is_for_all_scripts_of_an_operators_event() {
    let room = Room::new();
    room.script("00.a.script", "sleep 0.2");
    room.script("01.b.script", "exec sleep 1000");
    room.script("02.c.script", "exit 0");
    let scripts = plain();
    let end = scripts.event(room.path(), "x", &[], Duration::from_millis(600), true).await;
    assert_eq!(end, EventEnd::TimedOut);
    assert_eq!(scripts.last("x").unwrap().scripts.len(), 2);
}

#[test]
fn scripts_end_with_the_daemon() {
    let room = Room::new();
    let id = room.file("id");
    let body = format!("trap '' TERM; echo $$ >{}; while :; do sleep 1; done", id.display());
    let path = room.script("00.deaf.script", &body);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let id = runtime.block_on(async {
        let scripts = plain();
        tokio::spawn(async move { run(&scripts, &path, LONG).await });
        room.read("id").await
    });
    drop(runtime);
    let begin = Instant::now();
    while runs(&id) {
        assert!(begin.elapsed() < Duration::from_secs(1), "SIGKILL comes at once");
        std::thread::sleep(Duration::from_millis(5));
    }
}
