//! The event socket: the stock tool must not see whom it asks, and nobody can do it harm.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::room::{Room, runs, stock, until};
use standin_core::bytes::{Reader, Wire};
use standin_core::ctdb::types::RequestId;
use standin_core::ctdb::wire::Text;
use standin_core::ctdb::wire::eventd::{EventPacket, EventReply, EventRequest, EventStatus};
use standin_node::ctdb::eventd::serve;
use standin_node::jobs::scripts::{Scripts, Setting};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

const SOCKET: &str = "run/eventd.socket";

/// A directory as the tool expects it.
fn base() -> Room {
    let room = Room::new();
    let dirs = ["run", "events/legacy", "share/events/legacy"];
    for dir in dirs {
        fs::create_dir_all(room.file(dir)).unwrap();
    }
    room.write("ctdb.conf", &format!("[logging]\nlocation = file:{}\n", room.file("log").display()));
    room
}

fn ours(room: &Room) -> JoinHandle<()> {
    let listener = UnixListener::bind(room.file(SOCKET)).unwrap();
    tokio::spawn(serve(listener, Scripts::new(Setting::default()), room.file("events/legacy")))
}

/// What the tool prints, times left out, and its exit status.
async fn tool(room: &Room, arguments: &str) -> String {
    let mut command = Command::new(stock("ctdb"));
    command.args(arguments.split(' ')).env("CTDB_TEST_MODE", "yes").env("CTDB_BASE", room.path());
    let output = timeout(LONG, command.stdin(Stdio::null()).output()).await.unwrap().unwrap();
    let mut text = format!("$ ctdb {arguments}\n");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let timed = line
            .get(21..)
            .is_some_and(|rest| ["OK ", "ERROR ", "TIMEDOUT "].iter().any(|word| rest.starts_with(word)));
        text += if timed { &line[..31] } else { line };
        text += "\n";
    }
    text += &String::from_utf8_lossy(&output.stderr);
    text += &format!("= {:?}\n", output.status.code());
    text.replace(room.path().to_str().unwrap(), "BASE")
}

const COMMANDS: &[&str] = &[
    "event status legacy monitor",
    "scriptstatus",
    "event status other monitor",
    "event script list legacy",
    "event run 30 legacy monitor",
    "event status legacy monitor",
    "scriptstatus",
    "scriptstatus monitor",
    "event run 30 legacy takeip lo 10.0.0.1 24",
    "event status legacy takeip",
    "event run 30 legacy fail",
    "event status legacy fail",
    "event run 30 legacy silent",
    "event status legacy silent",
    "event run 30 legacy killed",
    "event status legacy killed",
    "event run 1 legacy hang",
    "event status legacy hang",
    "event run 30 legacy linger",
    "event status legacy linger",
    "event run 30 legacy nul",
    "event status legacy nul",
    "event run 30 other monitor",
    "event script disable legacy 01.does",
    "event run 30 legacy fail",
    "event status legacy fail",
    "event script enable legacy 01.does",
    "event script enable legacy 99.none",
    "event script disable legacy 05.link",
    "event script list legacy",
    "event run 30 legacy dangling",
    "event status legacy dangling",
    "event run 30 legacy gone",
    "event status legacy gone",
];

fn furnish(room: &Room) {
    // The stock daemon does not end what hangs unless it has a debug script: `hang` ends by itself.
    let does = "case $1 in
        takeip) echo \"$# $@\"; exit 2;;
        fail) echo one; echo two >&2; exit 3;;
        silent) exit 1;;
        killed) kill -9 $$;;
        hang) echo begun; exec sleep 5;;
        linger) sleep 5 & echo here; exit 4;;
        nul) printf 'a\\000b'; exit 255;;
        dangling) ln -s /there/is/none \"$CTDB_BASE/events/legacy/06.gone.script\"; exit 0;;
        esac";
    let does = format!("CTDB_BASE={}\n{does}", room.path().display());
    let legacy = |name: &str| format!("events/legacy/{name}");
    room.script(&legacy("00.ok.script"), "echo fine");
    room.script(&legacy("00.ok-too.script"), "exit 0");
    room.script(&legacy("01.does.script"), &does);
    room.write(&legacy("02.off.script"), "#!/bin/sh\nexit 9\n");
    let no_program = room.write(&legacy("03.text.script"), "no program\n");
    fs::set_permissions(no_program, Permissions::from_mode(0o755)).unwrap();
    for stray in ["04.script", "4.x.script", "123.x.script", "x.script", "04.x.script~", "README"] {
        room.script(&legacy(stray), "exit 9");
    }
    symlink("00.ok.script", room.file(&legacy("05.link.script"))).unwrap();
}

#[tokio::test]
async fn the_stock_tool_sees_no_difference() {
    let (theirs, mine) = (base(), base());
    furnish(&theirs);
    furnish(&mine);
    let mut command = Command::new(stock("ctdb-eventd"));
    command.args(["-P", &std::process::id().to_string()]);
    command.env("CTDB_TEST_MODE", "yes").env("CTDB_BASE", theirs.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut daemon = command.kill_on_drop(true).spawn().unwrap();
    until("the stock daemon listens", || theirs.file(SOCKET).exists()).await;
    let serving = ours(&mine);
    for command in COMMANDS {
        let (expected, found) = tokio::join!(tool(&theirs, command), tool(&mine, command));
        assert_eq!(found, expected);
    }
    daemon.start_kill().unwrap();
    daemon.wait().await.unwrap();
    serving.abort();
}

fn some(text: &str) -> Option<Text> {
    Some(text.into())
}

fn run_request(event: &str, seconds: u32) -> EventRequest {
    let (component, arguments) = (some("legacy"), None);
    EventRequest::Run { component, event: some(event), arguments, timeout: seconds, flags: 0 }
}

fn status_request(event: &str) -> EventRequest {
    EventRequest::Status { component: some("legacy"), event: some(event) }
}

fn script_request(script: &str, action: u32) -> EventRequest {
    EventRequest::Script { component: some("legacy"), script: some(script), action }
}

fn packet(reqid: u32, body: EventRequest) -> Vec<u8> {
    EventPacket { version: 1, reqid: RequestId(reqid), body }.to_bytes()
}

async fn receive(stream: &mut UnixStream) -> (u32, EventReply) {
    let read = async {
        let mut bytes = vec![0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        let length = Reader::new(&bytes).u32_le().unwrap();
        bytes.resize(length.try_into().unwrap(), 0);
        stream.read_exact(&mut bytes[4..]).await.unwrap();
        bytes
    };
    let bytes = timeout(LONG, read).await.expect("there is an answer");
    let packet = EventPacket::<EventReply>::from_bytes(&bytes).unwrap();
    (packet.reqid.0, packet.body)
}

async fn connect(room: &Room) -> UnixStream {
    UnixStream::connect(room.file(SOCKET)).await.unwrap()
}

async fn ask(room: &Room, request: EventRequest) -> EventReply {
    let mut stream = connect(room).await;
    stream.write_all(&packet(7, request)).await.unwrap();
    let (reqid, reply) = receive(&mut stream).await;
    assert_eq!(reqid, 7);
    reply
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn scripts_are_switched_and_links_left_alone() {
    let room = base();
    let path = room.script("events/legacy/00.a.script", "exit 0");
    room.script("events/legacy/x.script", "exit 0");
    room.script("outside.script", "exit 0");
    symlink("00.a.script", room.file("events/legacy/01.link.script")).unwrap();
    let _serving = ours(&room);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let cases = [
        ("00.a", 1, 0, 0o751),
        ("00.a", 0, 0, 0o640),
        ("00.a", 0, 0, 0o640),
        ("01.link", 1, 22, 0o640),
        ("x", 1, 22, 0o640),
        ("02.none", 1, 2, 0o640),
        ("../../outside", 0, 2, 0o640),
    ];
    for (script, action, result, after) in cases {
        assert_eq!(
            ask(&room, script_request(script, action)).await,
            EventReply::Script { result },
            "{script}"
        );
        assert_eq!(mode(&path), after, "{script}");
    }
}

#[tokio::test]
async fn a_question_overtakes_an_event_and_events_wait_for_each_other() {
    let room = base();
    let order = room.file("order");
    let body = format!("sleep 0.2; echo $1 >>{}", order.display());
    room.script("events/legacy/00.a.script", &body);
    let _serving = ours(&room);
    let mut stream = connect(&room).await;
    let requests = [run_request("first", 30), run_request("second", 30), status_request("first")];
    let bytes: Vec<_> = (1..).zip(requests).flat_map(|(reqid, body)| packet(reqid, body)).collect();
    for byte in bytes {
        stream.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(receive(&mut stream).await, (3, EventReply::Status(Err(22))));
    assert_eq!(receive(&mut stream).await, (1, EventReply::Run { result: 0 }));
    assert_eq!(receive(&mut stream).await, (2, EventReply::Run { result: 0 }));
    assert_eq!(fs::read_to_string(order).unwrap(), "first\nsecond\n");
    let EventReply::Status(Ok(EventStatus { summary: 0, scripts })) =
        ask(&room, status_request("first")).await
    else {
        panic!("it ran")
    };
    assert!(scripts[0].begin.seconds > 1_000_000_000 && scripts[0].begin < scripts[0].end);
}

#[tokio::test]
async fn a_monitor_event_never_waits_and_makes_way() {
    let room = base();
    let begun = room.file("begun");
    let body = format!("echo $$ >>{}; [ $1 = quick ] || exec sleep 1000", begun.display());
    room.script("events/legacy/00.a.script", &body);
    let _serving = ours(&room);
    let mut stream = connect(&room).await;
    stream.write_all(&packet(1, run_request("monitor", 60))).await.unwrap();
    let id = room.read("begun").await;
    assert_eq!(ask(&room, run_request("monitor", 60)).await, EventReply::Run { result: 125 });
    assert_eq!(ask(&room, run_request("quick", 60)).await, EventReply::Run { result: 0 });
    assert_eq!(receive(&mut stream).await, (1, EventReply::Run { result: 125 }));
    until("the script ends", || !runs(&id)).await;
}

#[tokio::test]
async fn an_event_ends_with_the_client_it_runs_for() {
    let room = base();
    let body = format!("echo $$ >{}; exec sleep 1000", room.file("begun").display());
    room.script("events/legacy/00.a.script", &body);
    let _serving = ours(&room);
    let mut stream = connect(&room).await;
    stream.write_all(&packet(1, run_request("startup", 60))).await.unwrap();
    let id = room.read("begun").await;
    drop(stream);
    until("the script ends", || !runs(&id)).await;
    assert_eq!(ask(&room, status_request("startup")).await, EventReply::Status(Err(22)));
}

#[tokio::test]
async fn no_directory_is_no_component_and_an_empty_one_is_well() {
    let room = base();
    let _serving = ours(&room);
    assert_eq!(ask(&room, run_request("x", 5)).await, EventReply::Run { result: 0 });
    let empty = EventReply::Status(Ok(EventStatus { summary: 0, scripts: Vec::new() }));
    assert_eq!(ask(&room, status_request("x")).await, empty);
    fs::remove_dir(room.file("events/legacy")).unwrap();
    assert_eq!(ask(&room, run_request("x", 5)).await, EventReply::Run { result: 2 });
    assert_eq!(ask(&room, status_request("x")).await, empty);
}

#[tokio::test]
async fn who_sends_what_is_no_request_is_hung_up_on() {
    let room = base();
    let _serving = ours(&room);
    let _silent = connect(&room).await;
    let mut cut = packet(1, status_request("monitor"));
    cut.truncate(30);
    let mut half = connect(&room).await;
    half.write_all(&cut).await.unwrap();
    let mut lies = packet(1, status_request("monitor"));
    lies[16] = 200;
    let mut unknown = packet(1, status_request("monitor"));
    unknown[12] = 9;
    let no_action = packet(1, script_request("00.a", 2));
    let garbage: [&[u8]; 8] =
        [&[0; 4], &[3, 0, 0, 0], &[4, 0, 0, 0], &[0xff; 4], &[1, 0, 1, 0], &lies, &unknown, &no_action];
    for bytes in garbage {
        let mut stream = connect(&room).await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // What was not read makes it a reset.
        let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("it was hung up on");
        assert!(answer.is_empty(), "{bytes:?}");
    }
    assert_eq!(ask(&room, status_request("monitor")).await, EventReply::Status(Err(22)));
}

#[tokio::test]
async fn who_does_not_read_keeps_nobody_else_waiting() {
    let room = base();
    room.script("events/legacy/00.a.script", "head -c 60000 /dev/zero | tr '\\0' x");
    let _serving = ours(&room);
    assert_eq!(ask(&room, run_request("loud", 30)).await, EventReply::Run { result: 0 });
    let mut deaf = connect(&room).await;
    let asks = packet(1, status_request("loud")).repeat(100);
    let _ = timeout(Duration::from_millis(200), deaf.write_all(&asks)).await;
    assert!(matches!(ask(&room, status_request("loud")).await, EventReply::Status(Ok(_))));
}
