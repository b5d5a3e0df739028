//! A promise is durable before anything that follows from it leaves.

use std::net::{IpAddr, Ipv4Addr};

use standin_core::gossip::Config;
use standin_core::gossip::notice::Notice;
use standin_core::host::{Done, FileError};
use standin_core::machine::Input;
use standin_core::time::Duration;

use super::room::Room;

fn config() -> Config {
    Config::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7_000)
}

#[test]
fn the_answer_to_a_command_waits_for_the_disk() {
    let mut room = Room::new(config(), None);
    room.pass(Duration::from_secs(3));
    room.saving = Some(Vec::new());
    let client = room.client();
    assert_eq!(room.command(client, "CLUSTER ADDSLOTS 7 8"), "");
    let job = room.saving.take().unwrap()[0];
    assert!(String::from_utf8(room.file.clone().unwrap()).unwrap().contains(" connected 7-8\n"));
    room.input(Input::Job(job, Done::Wrote(Ok(()))));
    assert_eq!(String::from_utf8(room.said(client).concat()).unwrap(), "+OK\r\n");
}

#[test]
fn a_disk_that_is_full_silences_the_node_until_there_is_room() {
    let mut room = Room::new(config(), None);
    room.pass(Duration::from_secs(3));
    room.saving = Some(Vec::new());
    let client = room.client();
    room.command(client, "CLUSTER ADDSLOTS 7");
    let job = room.saving.as_mut().unwrap().remove(0);
    room.input(Input::Job(job, Done::Wrote(Err(FileError::Full))));
    assert!(room.noticed(|notice| matches!(notice, Notice::SaveFailed { error: FileError::Full })));
    assert!(room.said(client).is_empty());
    assert_eq!(room.command(client, "PING"), "", "nothing leaves");
    room.saving = None;
    room.pass(Duration::from_secs(1));
    assert_eq!(String::from_utf8(room.said(client).concat()).unwrap(), "+OK\r\n+PONG\r\n");
    assert!(room.noticed(|notice| matches!(notice, Notice::SaveRecovered)));
}

#[test]
fn a_node_that_stops_has_saved_its_state_and_comes_back_as_itself() {
    let mut room = Room::new(config(), None);
    room.pass(Duration::from_secs(3));
    let id = room.machine.id();
    let client = room.client();
    assert_eq!(room.command(client, "CLUSTER ADDSLOTS 0"), "+OK\r\n");
    room.input(Input::Order(standin_core::gossip::Order::Stop));
    assert_eq!(room.exit, Some(0));
    let text = String::from_utf8(room.file.unwrap()).unwrap();
    let again = Room::new(config(), Some(&text));
    assert_eq!(again.machine.id(), id);
    assert_eq!(again.machine.owner_of(0), Some(id));
}

#[test]
fn a_state_file_that_means_nothing_is_refused_with_its_line() {
    let room = Room::new(config(), Some("vars currentEpoch 1 lastVoteEpoch 0\nnonsense\n"));
    assert_eq!(room.exit, Some(78));
    let said = room.notices.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(said.iter().any(|line| line.contains("line 2")), "{said:?}");
}

#[test]
fn a_state_file_edited_by_hand_is_refused_or_made_sense_of() {
    let id = "a".repeat(40);
    let line = |flags: &str, master: &str| format!("{id} :7000@17000 {flags} {master} 0 0 4 connected\n");
    let vars = "vars currentEpoch 1 lastVoteEpoch 9\n";
    for flags in ["myself", "myself,master,slave"] {
        let room = Room::new(config(), Some(&format!("{}{vars}", line(flags, "-"))));
        assert_eq!(room.exit, Some(78), "{flags}");
        let said = room.notices.iter().map(ToString::to_string).collect::<Vec<_>>().concat();
        assert!(said.contains("line 1") && said.contains("master"), "{said}");
    }
    // A vote in an epoch to come means that it has come.
    let mut room = Room::new(config(), Some(&format!("{}{vars}", line("myself,master", "-"))));
    room.pass(Duration::from_secs(1));
    assert_eq!((room.exit, room.machine.current_epoch().0), (None, 9));
}
