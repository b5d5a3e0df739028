use super::*;
use crate::gossip::options::{CHOICES, Unsaid, template};
use standin_core::gossip::config::Preferred;
use standin_core::time::Duration;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn wrong(text: &str) -> String {
    match parse(text, here()) {
        Ok(settings) => panic!("nothing wrong: {settings:?}"),
        Err(problems) => problems.render("w.toml", masked(text)),
    }
}

#[test]
fn an_empty_file_is_redis_defaults() {
    let settings = parse("", here()).unwrap();
    assert_eq!(settings.config, Config::new("0.0.0.0".parse().unwrap(), 6379));
    assert_eq!(settings.config.bus_port, 16379);
    assert_eq!(settings.state_file(), here().join("nodes.conf"));
}

#[test]
fn the_template_means_the_defaults_and_names_every_option() {
    let template = template();
    assert_eq!(parse(&template, here()), parse("", here()));
    for choice in CHOICES {
        let line = |mark: &str| {
            let begin = format!("{mark}{} = ", choice.name);
            template.lines().filter(|line| line.starts_with(&begin)).count()
        };
        let (set, example) = if let Unsaid::Is(_) = choice.default { (1, 0) } else { (0, 1) };
        assert_eq!((line(""), line("#")), (set, example), "{}", choice.name);
        assert!(template.contains(&format!("Redis: {}.", choice.redis)) || choice.redis.is_empty());
        assert_eq!(options::meant(choice.name), Some(choice.name));
    }
}

#[test]
fn every_example_of_the_template_is_taken() {
    let folder = std::env::temp_dir();
    let text: String = template()
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')))
        .filter(|line| !line.starts_with("dir") && !line.contains("tls-"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(text.lines().count(), 6, "{text}");
    let settings = parse(&text, &folder).unwrap();
    assert_eq!(settings.config.announce_ip, "192.0.2.10".parse().ok());
    assert_eq!(settings.config.announced_port(), 6379);
    assert_eq!(settings.config.announced_bus_port(), 16379);
    assert_eq!(settings.config.hostname.as_deref(), Some("witness.example.org"));
}

#[test]
fn what_is_said_is_heard() {
    let text = "role = 'replica'\nstands = true\nbind = '::1'\nport = 60000\nbus-port = 700\n\
        preferred-endpoint = \"hostname\"\nnode-timeout = \"2m30s\"\ndir = \"src\"\nstate-file = 'a/b'\n\
        require-full-coverage = false\nreplica-validity-factor = 0\nmigration-barrier = 0x10\n";
    let settings = parse(text, here()).unwrap();
    let config = &settings.config;
    assert_eq!(config.role, Role::Replica { stands: true });
    assert_eq!((config.listen, config.port, config.bus_port), ("::1".parse().unwrap(), 60000, 700));
    assert_eq!(config.preferred_endpoint, Preferred::Hostname);
    assert_eq!(config.node_timeout, Duration::from_secs(150));
    assert!(!config.require_full_coverage);
    assert_eq!((config.replica_validity_factor, config.migration_barrier), (0, 16));
    assert_eq!(settings.state_file(), here().join("src/a/b"));
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_drawn() {
    let text = "port = 6379\nnode-timout = \"15s\"\nrole = \"witnes\"\n\nnode-timeout = 15000\n\
        \tbus-port = 6379  # the same\n";
    assert_eq!(
        wrong(text),
        "w.toml:2:1: `node-timout` is no option
  2 | node-timout = \"15s\"
    | ^^^^^^^^^^^
    = expected one that `standind --gossip-template` lists
    = did you mean `node-timeout`?

w.toml:3:8: `witnes` is none of them
  3 | role = \"witnes\"
    |        ^^^^^^^^
    = expected \"witness\", \"replica\" or \"observer\"
    = did you mean `\"witness\"`?

w.toml:5:16: `15000` has no unit
  5 | node-timeout = 15000
    |                ^^^^^
    = expected a duration from \"100ms\" to \"1h\": \"15s\", \"1.5s\", \"2m30s\"
    = did you mean `\"15000ms\"`?

w.toml:6:13: 6379 is the client port
  6 |     bus-port = 6379  # the same
    |                ^^^^
    = expected another port than the clients'
"
    );
}

#[test]
fn each_value_out_of_bounds_is_told() {
    let rows = [
        ("port = 0", "1:8: no client could come"),
        ("port = -1", "1:8: `-1` is not from 0 to 65535"),
        ("port = 65536", "1:8: `65536` is not from 0 to 65535"),
        ("port = \"6379\"", "1:8: `6379` is text, not a whole number"),
        ("port = 55536", "1:8: the bus port of 55536 would be 65536"),
        ("bind = \"localhost\"", "1:8: `localhost` is not an IP address"),
        ("bind = \"224.0.0.1\"", "1:8: `224.0.0.1` is the address of a group"),
        ("announce-ip = \"0.0.0.0\"", "1:15: `0.0.0.0` is nobody's address"),
        ("announce-hostname = \"a_b\"", "1:23: a hostname has no `_`"),
        ("announce-hostname = \"\"", "1:21: a hostname of 0 characters"),
        ("node-timeout = \"99ms\"", "1:16: `99ms` is too short"),
        ("node-timeout = \"2h\"", "1:16: `2h` is too long"),
        ("node-timeout = \"15 s\"", "1:19: `15 s` is not a duration: there is no such unit"),
        ("node-timeout = \"15\"", "1:17: `15` is not a duration: the unit is missing"),
        ("stands = true", "1:10: a witness does not stand for election"),
        ("stands = \"yes\"", "1:10: `yes` is text, not true or false"),
        ("role = \"master\"", "1:8: `master` is none of them"),
        ("dir = \"nowhere\"", "is no folder"),
        ("state-file = \"src\"", "src is a folder"),
        ("state-file = \"\"", "1:14: `` is no file's name"),
        ("cluster-node-timeout = 5", "did you mean `node-timeout`?"),
        ("Node_Timeout = \"5s\"", "did you mean `node-timeout`?"),
        ("[cluster]\nport = 1", "1:2: there are no sections, and no `cluster`"),
        ("migration-barrier = [1]", "1:21: `[1]` is a list, not a whole number"),
    ];
    for (text, expected) in rows {
        let told = wrong(text);
        assert!(told.contains(expected), "{text}: {told}");
        assert_eq!(told.matches("expected").count(), 1, "{text}: {told}");
    }
    let long = format!("announce-hostname = \"{}\"", "a".repeat(256));
    assert!(wrong(&long).contains("a hostname of 256 characters"));
}

#[test]
fn what_is_no_toml_is_told_beside_the_rest() {
    let told = wrong("port = \nrole = witness\nport2 = 1\nnode-timeout = 15s\n");
    for line in ["w.toml:1:", "w.toml:2:", "w.toml:3:1: `port2` is no option", "w.toml:4:"] {
        assert!(told.contains(line), "{told}");
    }
    assert_eq!(told.matches("expected").count(), 4, "{told}");
    assert!(wrong("port = 1\nport = 2\n").contains("w.toml:2:1: duplicate key"));
}

#[test]
fn what_is_told_lies_in_the_file_and_moves_no_cursor() {
    assert!(wrong("\"a= 1\r\nport = 1\n").contains("w.toml:1:6: "));
    let told = wrong("dir = \"/no\\u001b[2Jwhere\"\n");
    assert!(told.contains("/no\u{fffd}[2Jwhere is no folder"), "{told}");
}

#[test]
fn a_file_that_is_missing_or_no_text_is_told() {
    let told = read(Path::new("/nonexistent/w.toml")).unwrap_err();
    assert!(told.contains("No such file") && told.contains("--gossip-template"), "{told}");
    let file = std::env::temp_dir().join(format!("standin-settings-{}", std::process::id()));
    fs::write(&file, b"port = 1\nrole = \"\xff\"\n").unwrap();
    let told = read(&file).unwrap_err();
    fs::remove_file(&file).unwrap();
    assert!(told.contains(":2:9: these bytes are no text"), "{told}");
}

#[test]
fn a_password_is_taken_and_never_shown() {
    let settings = parse("requirepass = \"s3 cret=\\u00e4\"\n", here()).unwrap();
    assert!(settings.config.password.as_ref().is_some_and(|it| it.is("s3 cret=\u{e4}".as_bytes())));
    assert!(!format!("{settings:?}").contains("s3"));
    let long = format!("requirepass = \"s3{}\"", "a".repeat(511));
    for (text, says) in [
        ("requirepass = 93", "1:15: this password is no text"),
        ("requirepass = \"\"", "1:15: a password of 0 bytes"),
        (&long, "1:15: a password of 513 bytes"),
        ("requirepass = s3cret", "w.toml:1:"),
        ("requirepass = \"s3cret", "w.toml:1:"),
        ("requirepas = \"s3cret\"", "did you mean `requirepass`?"),
        ("masterauth = \"s3cret\"", "`masterauth` is no option"),
        ("port = 0\nrequirepass = \"\"\"\ns3cret\"\"\"; 1", "w.toml:1:"),
        ("requirepass = \"s3cret\"\n\"requirepass\" = \"s3cret\"", "duplicate key"),
    ] {
        let told = wrong(text);
        assert!(told.contains(says) && !told.contains("s3") && !told.contains("93"), "{text}: {told}");
    }
}

/// A folder with an authority, a certificate that it signed and its key, and the lines that name them.
fn certified(name: &str) -> (PathBuf, String) {
    let folder = std::env::temp_dir().join(format!("standin-tls-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["node".into()]).unwrap();
    fs::write(folder.join("ca"), authority.pem()).unwrap();
    fs::write(folder.join("crt"), params.signed_by(&key, &authority).unwrap().pem()).unwrap();
    fs::write(folder.join("key"), key.serialize_pem()).unwrap();
    fs::write(folder.join("other"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let lines =
        "tls-cert-file = \"crt\"\ntls-key-file = \"key\"\ntls-ca-cert-file = \"ca\"\ntls-port = 6380\n";
    (folder, lines.into())
}

#[test]
fn with_tls_others_are_told_the_port_that_speaks_it() {
    let (folder, lines) = certified("told");
    let told = |more: &str| {
        let config = parse(&format!("{lines}{more}"), &folder).unwrap().config;
        (config.announced_port(), config.announced_plain_port(), config.announced_bus_port())
    };
    assert_eq!(told(""), (6379, 0, 16379), "clients may, the bus does not");
    assert_eq!(told("tls-cluster = true\n"), (6380, 6379, 16380));
    assert_eq!(told("tls-cluster = true\nport = 0\n"), (6380, 0, 16380));
    let announced = "tls-cluster = true\nannounce-port = 1\nannounce-tls-port = 2\nbus-port = 3\n";
    assert_eq!(told(announced), (2, 1, 3));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_does_not_go_together_with_tls_is_told() {
    let (folder, lines) = certified("wrong");
    let told = |from: &str, to: &str| {
        assert!(lines.contains(from));
        match parse(&lines.replace(from, to), &folder) {
            Ok(settings) => panic!("nothing wrong: {settings:?}"),
            Err(problems) => problems.render("w.toml", lines.replace(from, to)),
        }
    };
    let cluster = "tls-port = 6380\ntls-cluster = true";
    for (from, to, says) in [
        ("tls-port = 6380", "", "1:17: nothing speaks TLS"),
        ("tls-port = 6380", "tls-cluster = true", "4:15: others are told the port that speaks TLS"),
        ("tls-port = 6380", "tls-port = 6379", "4:12: 6379 is the port without TLS"),
        ("tls-port = 6380", "tls-port = 6380\nbus-port = 6380", "5:12: 6380 is the client port"),
        ("tls-port = 6380", "tls-port = 16379", "1:1: the bus has 16379"),
        ("tls-cert-file = \"crt\"", "", "4:12: there is no tls-cert-file"),
        ("tls-ca-cert-file = \"ca\"", "", "4:12: there is no tls-ca-cert-file: nobody"),
        ("\"ca\"\ntls-port = 6380", &format!("\"key\"\n{cluster}"), "3:20: "),
        ("\"crt\"", "\"key\"", "1:17: "),
        ("\"crt\"", "\"nowhere\"", "nowhere: No such file"),
        ("\"key\"", "\"crt\"", "2:16: "),
        ("\"key\"", "\"other\"", "KeyMismatch"),
        ("\"key\"", "\"\"", "2:16: `` is no file's name"),
        ("tls-port = 6380", "tls-port = 6380\ntls-auth-clients = true", "5:20: `true` is true or false"),
    ] {
        let said = told(from, to);
        assert!(said.contains(says), "{to}: {said}");
        assert_eq!(said.matches("expected").count(), 1, "{to}: {said}");
    }
    let alone = lines.replace("tls-ca-cert-file = \"ca\"", "tls-auth-clients = \"no\"");
    assert!(parse(&alone, &folder).is_ok(), "clients that show nothing need no authority");
    fs::remove_dir_all(folder).unwrap();
}
