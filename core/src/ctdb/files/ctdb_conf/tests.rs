use super::*;
use alloc::string::ToString;
use proptest::prelude::*;

fn conf(file: &str) -> CtdbConf {
    let reading = read(file.as_bytes());
    assert_eq!((reading.fatal, reading.warnings), (Problems::new(), Problems::new()));
    reading.conf
}

#[test]
fn every_option_of_every_section_is_read() {
    assert_eq!(conf(""), CtdbConf::default());
    let file = "\
# a cluster
[logging]
  location = syslog:nonblocking
  log level = INFO
[cluster]
  ; taken by everybody
  cluster lock = !/usr/libexec/ctdb/lock  \"a b\"  # c
  node address = 10.0.0.1
  leader timeout = 7
  leader capability = no
  transport = tcp
[database]
  volatile database directory = /var/lib/v
  persistent database directory=/var/lib/p
  state database directory\t=\t/var/lib/s
  lock debug script = debug_locks.sh
  tdb mutexes = FALSE
[event]
  debug script = debug-hung-script.sh
[failover]
  disabled = Yes
[legacy]
  realtime scheduling = false
  lmaster capability = false
  start as stopped = true
  start as disabled = true
  script log level = 1
";
    let text = |text: &str| Some(text.to_string());
    let wanted = CtdbConf {
        log_location: Some(LogLocation::Syslog(Syslog::Nonblocking)),
        log_level: Some(LogLevel(5)),
        transport: Some(Transport::Tcp),
        node_address: "10.0.0.1".parse().ok(),
        cluster_lock: text("!/usr/libexec/ctdb/lock \"a b\" # c"),
        recovery_lock: None,
        leader_timeout_s: Some(7),
        leader_capability: Some(false),
        volatile_database_directory: text("/var/lib/v"),
        persistent_database_directory: text("/var/lib/p"),
        state_database_directory: text("/var/lib/s"),
        lock_debug_script: text("debug_locks.sh"),
        tdb_mutexes: Some(false),
        event_debug_script: text("debug-hung-script.sh"),
        failover_disabled: Some(true),
        realtime_scheduling: Some(false),
        lmaster_capability: Some(false),
        start_as_stopped: Some(true),
        start_as_disabled: Some(true),
        script_log_level: Some(LogLevel(1)),
    };
    assert_eq!(conf(file), wanted);
    assert_eq!(conf(&file.replace('\n', "\r\n")), wanted);
    assert_eq!(read(file.as_bytes()).into_conf(), Ok(wanted));
}

#[test]
fn lines_are_read_as_ctdbd_reads_them() {
    for (file, lock) in [
        ("[cluster]\ncluster lock = /a", Some("/a")),
        ("[CLUSTER]\ncluster  lock = /a  b\n", Some("/a b")),
        ("  [cluster] x = y\n\tcluster lock\t=\t/a\t\n", Some("/a")),
        ("[cluster]]\ncluster lock=/a=b;c\n", Some("/a=b;c")),
        ("[cluster]\ncluster lock = /a\\\nb\n", Some("/ab")),
        ("[cluster]\ncluster lock = /a\\ \n b\n", Some("/a b")),
        ("[cluster]\ncluster lock = \\\n/a\n", Some("/a")),
        ("[cluster]\ncluster \\\nlock = /a\n", Some("/a")),
        ("[clus\\\nter]\ncluster lock = /a\n", Some("/a")),
        ("[cluster]\ncluster lock = /a\\b\n", Some("/a\\b")),
        ("[cluster]\ncluster lock = \"/a b\"\n", Some("\"/a b\"")),
        ("[cluster]\ncluster lock = #a\n", Some("#a")),
        ("[cluster]\n  ;cluster lock = /a\n#cluster lock = /b\n", None),
        ("[cluster]\n# goes not on \\\ncluster lock = /a\n", Some("/a")),
        ("[cluster]\ncluster lock = /a\n[event]\n[cluster]\ncluster lock = /b\n", Some("/b")),
    ] {
        assert_eq!(conf(file).lock(), lock, "{file:?}");
    }
    for file in ["recovery lock = /y\ncluster lock = /x", "cluster lock = /x\nrecovery lock = /y"] {
        assert_eq!(read(format!("[cluster]\n{file}").as_bytes()).conf.lock(), Some("/x"));
    }
    let old = read(b"[cluster]\nrecovery lock = /y");
    assert_eq!((old.conf.lock(), old.warnings.len(), old.fatal.len()), (Some("/y"), 1, 0));
}

#[test]
fn values_are_read_as_ctdbd_reads_them() {
    for (value, seconds) in [("010", 8), ("0x10", 16), ("+5", 5), ("2147483647", i32::MAX as u32)] {
        let read = conf(&format!("[cluster]\nleader timeout = {value}"));
        assert_eq!(read.leader_timeout_s, Some(seconds), "{value}");
    }
    for (value, seconds) in [("5s", 5), ("5 # s", 5), ("2.5", 2), ("1", 1)] {
        let read = read(format!("[cluster]\nleader timeout = {value}").as_bytes());
        assert_eq!((read.conf.leader_timeout_s, read.warnings.len()), (Some(seconds), 1), "{value}");
        assert!(read.fatal.is_empty());
    }
    for (value, level) in [
        ("ERR", 0),
        ("error", 0),
        ("Warn", 1),
        ("N", 3),
        ("notic", 3),
        ("INFO", 5),
        ("DEBUG", 10),
        ("0", 0),
        ("7", 7),
        ("10", 10),
    ] {
        let read = conf(&format!("[logging]\nlog level = {value}"));
        assert_eq!(read.log_level, Some(LogLevel(level)), "{value}");
    }
    for (value, place) in [
        ("file:/var/log/ctdb/log.ctdb", LogLocation::File("/var/log/ctdb/log.ctdb".into())),
        ("syslog", LogLocation::Syslog(Syslog::Plain)),
        ("syslog:udp", LogLocation::Syslog(Syslog::Udp)),
        ("syslog:udp-rfc5424", LogLocation::Syslog(Syslog::UdpRfc5424)),
    ] {
        assert_eq!(conf(&format!("[logging]\nlocation = {value}")).log_location, Some(place));
    }
    let address = conf("[cluster]\nnode address = ::ffff:10.0.0.1").node_address;
    assert_eq!(address, "10.0.0.1".parse().ok());
    let address = conf("[cluster]\nnode address = 10.\\\n0.0.1").node_address;
    assert_eq!(address, "10.0.0.1".parse().ok());
    let script = read(b"[event]\ndebug script = /etc/ctdb/x.sh");
    assert_eq!((script.conf.event_debug_script.as_deref(), script.warnings.len()), (Some("x.sh"), 1));
}

#[test]
fn all_that_is_wrong_is_told_in_one_go() {
    let file = "\
[cluster]
leader capability = on
node address = 10.0.0.300
leader timeout = 5000000000
[logging]
log level = NOTIZE
location = /var/log/ctdb.log
[failover]
disabled =
";
    let reading = read(file.as_bytes());
    assert!(reading.warnings.is_empty());
    assert_eq!(
        reading.fatal.render("ctdb.conf", file),
        "\
ctdb.conf:2:21: `on` is neither true nor false
  2 | leader capability = on
    |                     ^^
    = expected `true` or `false`, or `yes` or `no`
    = did you mean `true`?

ctdb.conf:3:23: `300` in `10.0.0.300` is not part of an address
  3 | node address = 10.0.0.300
    |                       ^^^
    = expected a number from 0 to 255 without leading zeros

ctdb.conf:4:18: `5000000000` is too large
  4 | leader timeout = 5000000000
    |                  ^^^^^^^^^^
    = expected a number of seconds from 1 to 2147483647

ctdb.conf:6:13: `NOTIZE` is not a log level
  6 | log level = NOTIZE
    |             ^^^^^^
    = expected `ERROR`, `WARNING`, `NOTICE`, `INFO` or `DEBUG`, or a number from 0 to 10
    = did you mean `NOTICE`?

ctdb.conf:7:12: `/var/log/ctdb.log` is no place for a log
  7 | location = /var/log/ctdb.log
    |            ^^^^^^^^^^^^^^^^^
    = expected `file:` and a path, or `syslog`, alone or with `:nonblocking`, `:udp` or `:udp-rfc5424`
    = did you mean `file:/var/log/ctdb.log`?

ctdb.conf:9:11: the value of `disabled` is missing
  9 | disabled =
    |           ^
    = expected a value, or no such line
"
    );
}

#[test]
fn what_counts_for_nothing_is_a_warning() {
    let file = "\
cluster lock = /a
[clutser]
foo = 1
[cluster]
cluster lok = /a
start as stopped = true
leader timeout
";
    let reading = read(file.as_bytes());
    assert_eq!((reading.fatal.len(), &reading.conf), (0, &CtdbConf::default()));
    assert_eq!(
        reading.warnings.render("ctdb.conf", file),
        "\
ctdb.conf:1:1: `cluster lock` stands before any section and counts for nothing
  1 | cluster lock = /a
    | ^^^^^^^^^^^^
    = expected `[cluster]` above it

ctdb.conf:2:1: `[clutser]` is not a section, and the options below count for nothing
  2 | [clutser]
    | ^^^^^^^^^
    = expected `[logging]`, `[cluster]`, `[database]`, `[event]`, `[failover]` or `[legacy]`
    = did you mean `[cluster]`?

ctdb.conf:5:1: `cluster lok` is not an option of `[cluster]` and counts for nothing
  5 | cluster lok = /a
    | ^^^^^^^^^^^
    = expected `cluster lock`, `recovery lock`, `node address`, `leader timeout`, `leader capability`, `transport`
    = did you mean `cluster lock`?

ctdb.conf:6:1: `start as stopped` is not an option of `[cluster]` and counts for nothing
  6 | start as stopped = true
    | ^^^^^^^^^^^^^^^^
    = expected it in section `[legacy]`

ctdb.conf:7:1: the `=` is missing, and the line counts for nothing
  7 | leader timeout
    | ^^^^^^^^^^^^^^
    = expected `name = value`
"
    );
}

#[test]
fn each_mistake_has_its_own_words() {
    for (file, fatal, first) in [
        ("[cluster\ncluster lock = /a", false, "1:1: the `]` is missing"),
        ("[ cluster ]\ncluster lock = /a", false, "1:1: `[ cluster ]` is not a section"),
        ("[]\n", false, "1:1: `[]` is not a section"),
        ("[cluster]\nCluster Lock = /a", false, "2:1: `Cluster Lock` is not an option"),
        ("[cluster]\n=1", false, "2:1: `` is not an option"),
        ("[cluster]\nleader timeout = abc", true, "2:18: `abc` is not a number"),
        ("[cluster]\nleader timeout = 0", true, "2:18: `0` is no time at all"),
        ("[cluster]\nleader timeout = 1", false, "2:18: `1` is no longer than a leader's silence"),
        ("[cluster]\nleader timeout = 08", true, "2:18: `08` is no time at all"),
        ("[cluster]\nleader timeout = -1", true, "2:18: `-1` is negative"),
        ("[cluster]\nleader timeout = 2147483648", true, "2:18: `2147483648` is too large"),
        ("[cluster]\nleader timeout = \\\n  -1", true, "3:3: `-1` is negative"),
        ("[cluster]\nleader capability = yes please", true, "2:21: `yes please` is neither"),
        ("[cluster]\nnode address = 10.0.0.1 # x", true, "2:16: `10.0.0.1 # x` is not an IP address"),
        ("[cluster]\nnode address = 10.0.0.1:4379", true, "2:24: `10.0.0.1:4379` has a port"),
        ("[cluster]\nnode address = 10.0.0.1:\\\n4379", true, "2:16: `10.0.0.1:4379` has a port"),
        ("[cluster]\ntransport = ib", true, "2:13: `ib` is not a transport"),
        ("[cluster]\ntransport = TCP", true, "2:13: `TCP` is not a transport"),
        ("[logging]\nlog level = 11", true, "2:13: `11` is not a log level"),
        ("[logging]\nlog level = NOTICE x", true, "2:13: `NOTICE x` is not a log level"),
        ("[logging]\nlocation = file:", true, "2:12: `file:` names no file"),
        ("[logging]\nlocation = syslog:tcp", true, "2:12: `syslog:tcp` is no way to speak to syslog"),
        ("[event]\ndebug script = /etc/", true, "2:16: `/etc/` names no file"),
    ] {
        let reading = read(file.as_bytes());
        let told = if fatal { &reading.fatal } else { &reading.warnings };
        let found = told.iter().next().map(ToString::to_string).unwrap_or_default();
        assert!(found.starts_with(first), "{file:?}: {found}");
        assert_eq!(reading.fatal.is_empty(), !fatal, "{file:?}");
    }
    let large = "\n".repeat(super::super::FILE_BYTES_MAX + 1);
    assert_eq!(read(large.as_bytes()).fatal.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_file_breaks_the_reading(file in proptest::collection::vec(any::<u8>(), 0..200)) {
        let reading = read(&file);
        let _ = (reading.fatal.render("c", &file), reading.warnings.render("c", &file));
    }

    #[test]
    fn no_likely_file_breaks_the_reading(
        file in "(\\[?(cluster|logging|x| )?\\]?\\\\?\n|(leader timeout|log level|location|node address|disabled)?[ =]{0,3}(0x|file:|syslog:|!|é)?[0-9a-z+.: -]{0,8}[\\\\#]?\r?\n){0,8}",
    ) {
        let reading = read(file.as_bytes());
        let _ = (reading.fatal.render("c", &file), reading.warnings.render("c", &file));
    }

    #[test]
    fn any_option_takes_any_value_or_says_why_not(at in 0..OPTIONS.len(), value in "[!-~]{1,20}") {
        let Known { section, name, .. } = OPTIONS[at];
        let reading = read(format!("[{section}]\n{name} = {value}").as_bytes());
        prop_assert!(reading.fatal.is_empty() != (reading.conf == CtdbConf::default()));
    }
}
