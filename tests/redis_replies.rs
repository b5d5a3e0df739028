//! A gossip node answers clients in the very bytes of a real one: `captures/redis-replies.json`
//! has what redis-server said.
//!
//! With `STANDIN_RECORD=1` the installed redis-server is asked anew first, on loopback ports 7999
//! and 17999, and the file is rewritten. Ids that Redis drew itself stand as `<me>`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use standin_core::gossip::config::Role;
use standin_core::gossip::{CLIENTS, Config, Gossip};
use standin_core::host::{Done, FileError, Job};
use standin_core::machine::{Effect, Endpoint, Input, LinkId, LinkInput, Machine, Outbox};
use standin_core::time::{Duration, Instant};

const PORT: u16 = 7999;
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/redis-replies.json");

#[test]
fn every_recorded_answer_is_ours() {
    if std::env::var_os("STANDIN_RECORD").is_some() {
        record();
    }
    let mut wrong = String::new();
    let mut asked = 0;
    for scene in scenes() {
        let mut ours = Ours::new(&scene);
        for (line, theirs) in &scene.asked {
            let said = ours.ask(line);
            asked += 1;
            if said != *theirs {
                let _ = writeln!(wrong, "{}: {line}\n  redis {theirs:?}\n  ours  {said:?}", scene.name);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(asked > 400, "{asked}");
}

/// A node in some state, and what it was asked.
struct Scene {
    name: String,
    about: String,
    nodes_conf: String,
    wait_ms: u64,
    setup: Vec<String>,
    asked: Vec<(String, String)>,
}

fn scenes() -> Vec<Scene> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let scene = |scene: &Value| Scene {
        name: text(&scene["name"]),
        about: text(&scene["about"]),
        nodes_conf: text(&scene["nodes_conf"]),
        wait_ms: scene["wait_ms"].as_u64().unwrap(),
        setup: scene["setup"].as_array().unwrap().iter().map(text).collect(),
        asked: scene["asked"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect(),
    };
    file["scenes"].as_array().unwrap().iter().map(scene).collect()
}

/// Words as an array of bulk strings; `""` is an empty one.
fn request(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').map(|word| if word == "\"\"" { "" } else { word }).collect();
    let mut bytes = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| bytes += &format!("${}\r\n{word}\r\n", word.len()));
    bytes.into_bytes()
}

/// Our node with one client, everything it asks for granted.
struct Ours {
    node: Gossip,
    out: Outbox<Gossip>,
    now: Instant,
    nodes_conf: String,
    told: BTreeMap<LinkId, Vec<u8>>,
}

const CLIENT: LinkId = LinkId(1);

impl Ours {
    fn new(scene: &Scene) -> Self {
        let config =
            Config { role: Role::Register, node_timeout: Duration::from_secs(60), ..Config::new(HOME, PORT) };
        let mut ours = Self {
            node: Gossip::new(config, 1),
            out: Outbox::new(),
            now: Instant(1_000_000),
            nodes_conf: scene.nodes_conf.clone(),
            told: BTreeMap::new(),
        };
        ours.input(Input::Wake);
        let end = |port| Endpoint::Tcp(SocketAddr::new(HOME, port));
        let accepted =
            LinkInput::Accepted { port: CLIENTS, from: end(50_000), local: end(PORT), peer_pid: None };
        ours.input(Input::Link(CLIENT, accepted));
        scene.setup.iter().for_each(|line| drop(ours.ask(line)));
        let end = ours.now + Duration::from_millis(scene.wait_ms);
        while let Some(deadline) = ours.node.next_deadline().filter(|deadline| deadline.at <= end) {
            ours.now = deadline.at;
            ours.input(Input::Wake);
        }
        ours
    }

    fn input(&mut self, input: Input<'_, Gossip>) {
        self.node.handle(self.now, input, &mut self.out);
        let mut answers: Vec<Input<'static, Gossip>> = Vec::new();
        let mut effects = self.out.take();
        for effect in effects.drain(..) {
            match effect {
                Effect::Start { job, what: Job::ReadFile { .. } } => {
                    let file = self.nodes_conf.clone().into_bytes();
                    let read = if file.is_empty() { Err(FileError::Missing) } else { Ok(file) };
                    answers.push(Input::Job(job, Done::Read(read)));
                }
                Effect::Start { job, .. } => answers.push(Input::Job(job, Done::Wrote(Ok(())))),
                Effect::Listen { port, on } => answers.push(Input::Port(port, Ok(on))),
                Effect::Send { link, bytes } => self.told.entry(link).or_default().extend(bytes),
                // Nobody else is there.
                Effect::Dial { .. } | Effect::Close { .. } | Effect::Notice(_) => {}
                other @ (Effect::Unlisten { .. } | Effect::Cancel { .. } | Effect::Exit { .. }) => {
                    panic!("{other:?}")
                }
            }
        }
        self.out.restore(effects);
        answers.into_iter().for_each(|answer| self.input(answer));
    }

    fn ask(&mut self, line: &str) -> String {
        self.input(Input::Link(CLIENT, LinkInput::Bytes(&request(line))));
        let told = self.told.remove(&CLIENT).unwrap_or_default();
        String::from_utf8(told).unwrap().replace(self.node.id().as_str(), "<me>")
    }
}

/// A real node with one client.
struct Theirs {
    server: Child,
    client: TcpStream,
    dir: PathBuf,
    id: String,
}

impl Theirs {
    fn new(scene: &Scene) -> Self {
        let dir = std::env::temp_dir().join(format!("standin-replies-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        if !scene.nodes_conf.is_empty() {
            std::fs::write(dir.join("nodes.conf"), &scene.nodes_conf).unwrap();
        }
        let server = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &PORT.to_string(), "--cluster-enabled", "yes"])
            .args(["--cluster-node-timeout", "60000", "--save", "", "--dir"])
            .arg(&dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut tries = 0;
        let client = loop {
            match TcpStream::connect((HOME, PORT)) {
                Ok(client) => break client,
                Err(error) => assert!(tries < 50, "{error}"),
            }
            tries += 1;
            std::thread::sleep(std::time::Duration::from_millis(100));
        };
        client.set_read_timeout(Some(std::time::Duration::from_millis(40))).unwrap();
        let mut theirs = Self { server, client, dir, id: String::from("nobody's") };
        theirs.id = theirs.ask("CLUSTER MYID").split("\r\n").nth(1).unwrap().to_owned();
        scene.setup.iter().for_each(|line| drop(theirs.ask(line)));
        std::thread::sleep(std::time::Duration::from_millis(scene.wait_ms));
        theirs
    }

    /// Everything that comes until nothing comes for a while.
    fn ask(&mut self, line: &str) -> String {
        let _ = self.client.write_all(&request(line));
        let mut told = Vec::new();
        let mut piece = [0; 65_536];
        while let Ok(count @ 1..) = self.client.read(&mut piece) {
            told.extend_from_slice(&piece[..count]);
        }
        String::from_utf8(told).unwrap().replace(&self.id, "<me>")
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Asks a real node everything anew.
fn record() {
    let mut scenes = scenes();
    for scene in &mut scenes {
        let mut theirs = Theirs::new(scene);
        for (line, answer) in &mut scene.asked {
            *answer = theirs.ask(line);
            if line.starts_with("CLUSTER RESET") {
                theirs.id = theirs.id_again();
            }
        }
    }
    let quoted = |text: &str| Value::from(text).to_string();
    let mut file = String::from("{\n  \"source\": \"redis-server 7.0.15\",\n  \"scenes\": [\n");
    for (at, scene) in scenes.iter().enumerate() {
        let setup = Value::from(scene.setup.clone());
        let pairs: Vec<String> = scene
            .asked
            .iter()
            .map(|(line, answer)| format!("        [{}, {}]", quoted(line), quoted(answer)))
            .collect();
        let _ = write!(
            file,
            "    {{\n      \"name\": {},\n      \"about\": {},\n      \"nodes_conf\": {},\n      \"wait_ms\": {},\n      \
             \"setup\": {setup},\n      \"asked\": [\n{}\n      ]\n    }}{}\n",
            quoted(&scene.name),
            quoted(&scene.about),
            quoted(&scene.nodes_conf),
            scene.wait_ms,
            pairs.join(",\n"),
            if at + 1 < scenes.len() { "," } else { "" },
        );
    }
    file += "  ]\n}\n";
    std::fs::write(Path::new(FILE), file).unwrap();
}

impl Theirs {
    /// After a hard reset it has another.
    fn id_again(&mut self) -> String {
        self.id = String::from("nobody's");
        self.ask("CLUSTER MYID").split("\r\n").nth(1).unwrap_or("nobody's").to_owned()
    }
}
