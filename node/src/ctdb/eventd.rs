//! The event daemon's socket: `ctdb event` and `ctdb scriptstatus` ask here.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use standin_core::bytes::{DecodeError, FrameBuffer, Framing, Reader, Wire};
use standin_core::ctdb::types::RequestId;
use standin_core::ctdb::wire::eventd::{EventPacket, EventReply, EventRequest, EventStatus, ScriptStatus};
use standin_core::ctdb::wire::{Text, TimeVal};
use standin_core::host::FileError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use crate::jobs::scripts::{EventEnd, Run, Scripts, stem};

/// Clients at once; more wait to be accepted.
const CLIENTS_MAX: usize = 64;

/// Events one client has asked for and not been told of.
const RUNS_MAX: usize = 16;

/// The longest request, in bytes.
const REQUEST_MAX: usize = 64 * 1024;

/// How long a client may go without a whole request, unless an event runs for it.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a client may take over a reply.
const REPLY_MAX: Duration = Duration::from_secs(10);

/// Serves one directory of scripts, `legacy`, whose own name is the component's. A client that
/// sends what is no request, or is too slow, is hung up on; events that run for a client end
/// with it. Never returns; dropped, it hangs up on everybody.
pub async fn serve(listener: UnixListener, scripts: Scripts, directory: PathBuf) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < CLIENTS_MAX => match accepted {
                Ok((stream, _)) => {
                    let room = Room { scripts: scripts.clone(), directory: directory.clone() };
                    clients.spawn(async move {
                        if let Err(error) = client(stream, room).await {
                            debug!("hung up on a client of the event socket: {error}");
                        }
                    });
                }
                Err(error) => {
                    warn!("cannot accept on the event socket: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// What requests are about.
#[derive(Clone, Debug)]
struct Room {
    scripts: Scripts,
    directory: PathBuf,
}

async fn client(mut stream: UnixStream, room: Room) -> io::Result<()> {
    let mut frames = FrameBuffer::<RequestFraming>::new();
    let mut runs = JoinSet::new();
    let mut piece = vec![0; 4096];
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            length = stream.read(&mut piece) => {
                let length = length?;
                if length == 0 {
                    return Ok(());
                }
                let mut input = &piece[..length];
                while let Some(frame) = frames.next_frame(&mut input).map_err(garbage)? {
                    heard = Instant::now();
                    let request = EventPacket::<EventRequest>::decode(&mut Reader::new(&frame));
                    let EventPacket { reqid, body, .. } = request.map_err(garbage)?;
                    if matches!(body, EventRequest::Run { .. }) {
                        if runs.len() >= RUNS_MAX {
                            return Err(io::Error::other("too many events at once"));
                        }
                        let room = room.clone();
                        runs.spawn(async move { (reqid, room.answer(body).await) });
                    } else {
                        let body = room.answer(body).await?;
                        reply(&mut stream, reqid, body).await?;
                    }
                }
            }
            Some(ran) = runs.join_next() => {
                let (reqid, body) = ran.map_err(io::Error::other)?;
                reply(&mut stream, reqid, body?).await?;
                heard = Instant::now();
            }
            () = sleep_until(heard + SILENCE_MAX), if runs.is_empty() => {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

async fn reply(stream: &mut UnixStream, reqid: RequestId, body: EventReply) -> io::Result<()> {
    let bytes = EventPacket { version: 0, reqid, body }.to_bytes();
    timeout(REPLY_MAX, stream.write_all(&bytes)).await?
}

fn garbage(error: DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl Room {
    /// Fails if the request makes no sense.
    async fn answer(&self, request: EventRequest) -> io::Result<EventReply> {
        Ok(match request {
            EventRequest::Run { component, event, arguments, timeout, flags } => {
                let result = match self.knows(component.as_ref()) {
                    true => self.run(event.as_ref(), arguments.as_ref(), timeout, flags & 1 != 0).await,
                    false => Errno::ENOENT as i32,
                };
                EventReply::Run { result }
            }
            EventRequest::Status { component, event } => {
                EventReply::Status(match self.knows(component.as_ref()) {
                    true => {
                        let run = text(event.as_ref()).and_then(|event| self.scripts.last(event));
                        run.map(status).ok_or(Errno::EINVAL as i32)
                    }
                    false => Err(Errno::ENOENT as i32),
                })
            }
            EventRequest::Script { component, script, action } => {
                let on = match action {
                    0 => false,
                    1 => true,
                    _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no such action")),
                };
                let result = match (self.knows(component.as_ref()), text(script.as_ref())) {
                    (true, Some(script)) => switch(&self.directory, script, on).await,
                    _ => Err(Errno::ENOENT),
                };
                EventReply::Script { result: result.err().map_or(0, |errno| errno as i32) }
            }
        })
    }

    fn knows(&self, component: Option<&Text>) -> bool {
        let name = self.directory.file_name().and_then(|name| name.to_str());
        component.and_then(Text::as_str) == name && name.is_some()
    }

    async fn run(&self, event: Option<&Text>, arguments: Option<&Text>, seconds: u32, all: bool) -> i32 {
        let (Some(event), Some(arguments)) = (text(event), text(arguments)) else {
            return Errno::EINVAL as i32;
        };
        let arguments: Vec<_> =
            arguments.split(' ').filter(|word| !word.is_empty()).map(Into::into).collect();
        let limit = Duration::from_secs(seconds.into());
        match self.scripts.event(&self.directory, event, &arguments, limit, all).await {
            EventEnd::Ok => 0,
            EventEnd::Failed => Errno::ENOEXEC as i32,
            EventEnd::TimedOut => Errno::ETIMEDOUT as i32,
            EventEnd::Cancelled => Errno::ECANCELED as i32,
            EventEnd::NoScripts(FileError::Missing) => Errno::ENOENT as i32,
            EventEnd::NoScripts(FileError::Denied) => Errno::EACCES as i32,
            EventEnd::NoScripts(FileError::Full | FileError::Other) => Errno::EIO as i32,
        }
    }
}

/// No text is an empty one; what is not UTF-8 is none.
fn text(text: Option<&Text>) -> Option<&str> {
    text.map_or(Some(""), Text::as_str)
}

fn status(run: Run) -> EventStatus {
    let summary = run.summary();
    let one = |ran: crate::jobs::scripts::Ran| ScriptStatus {
        name: Some(Text::from(ran.name.as_str())),
        begin: time(ran.begin),
        end: time(ran.end),
        result: ran.outcome.result(),
        output: (!ran.output.is_empty()).then(|| Text::from(ran.output.as_slice())),
    };
    EventStatus { summary, scripts: run.scripts.into_iter().map(one).collect() }
}

fn time(time: SystemTime) -> TimeVal {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeVal {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        micros: since.subsec_micros().into(),
    }
}

/// Makes a script executable for everybody, or nobody. A link belongs to somebody else, and
/// stays as it is.
async fn switch(directory: &Path, script: &str, on: bool) -> Result<(), Errno> {
    let name = format!("{script}.script");
    if name.contains('/') {
        return Err(Errno::ENOENT);
    }
    let path = directory.join(&name);
    let errno = |error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let file = tokio::fs::symlink_metadata(&path).await.map_err(errno)?;
    if !file.is_file() || stem(&name).is_none() {
        return Err(Errno::EINVAL);
    }
    let mut permissions = file.permissions();
    let mode = permissions.mode() & 0o7777;
    permissions.set_mode(if on { mode | 0o111 } else { mode & !0o111 });
    tokio::fs::set_permissions(&path, permissions).await.map_err(errno)
}

/// As [`EventFraming`](standin_core::ctdb::wire::EventFraming), for what we are sent.
#[derive(Clone, Copy, Debug)]
struct RequestFraming;

impl Framing for RequestFraming {
    const HEAD: usize = 4;
    const CEILING: usize = REQUEST_MAX;

    fn frame_length(head: &[u8]) -> Result<usize, DecodeError> {
        let length = Reader::new(head).u32_le()?;
        let too_long = |_| DecodeError::TooLong { length: length.into(), ceiling: REQUEST_MAX as u64 };
        usize::try_from(length).map_err(too_long)
    }
}
