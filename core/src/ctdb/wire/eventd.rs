//! The event daemon's protocol: run scripts, tell how they went.
//!
//! A packet is a length, version and number, a command, and the command's own; without padding.

use alloc::vec::Vec;

use super::super::types::RequestId;
use super::list::{decode_entries, encode_list};
use super::status::TimeVal;
use super::text::Text;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A packet of the event daemon's protocol; all of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventPacket<T> {
    /// Clients send 1, ctdbd and replies 0; nobody checks it.
    pub version: u32,
    /// Repeated in the reply.
    pub reqid: RequestId,
    /// [`EventRequest`] or [`EventReply`].
    pub body: T,
}

impl<T: Wire> Wire for EventPacket<T> {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { version, reqid: RequestId(reqid), body } = self;
        let start = out.position();
        out.u32_le(0);
        out.u32_le(*version);
        out.u32_le(*reqid);
        body.encode(out);
        out.patch_count_le(start, out.position() - start);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = from.remaining();
        let said = from.u32_le()?;
        if usize::try_from(said) != Ok(length) {
            return Err(DecodeError::BadValue { field: "length", value: said.into() });
        }
        Ok(Self { version: from.u32_le()?, reqid: RequestId(from.u32_le()?), body: T::decode(from)? })
    }
}

/// Run an event.
const RUN: u32 = 1;
/// How did an event go?
const STATUS: u32 = 2;
/// Switch a script.
const SCRIPT: u32 = 3;

/// What the event daemon is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum EventRequest {
    /// Run an event's scripts.
    Run {
        /// Whose scripts: `legacy`.
        component: Option<Text>,
        /// The event.
        event: Option<Text>,
        /// Its arguments, separated by spaces.
        arguments: Option<Text>,
        /// When to give up, in seconds.
        timeout: u32,
        /// 1: run all scripts, even after a failure.
        flags: u32,
    },
    /// How did an event go, the last time it ran?
    Status {
        /// Whose scripts: `legacy`.
        component: Option<Text>,
        /// The event.
        event: Option<Text>,
    },
    /// Switch a script on or off.
    Script {
        /// Whose scripts: `legacy`.
        component: Option<Text>,
        /// The script, without `.script`.
        script: Option<Text>,
        /// 0: off, 1: on.
        action: u32,
    },
}

impl Wire for EventRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Run { component, event, arguments, timeout, flags } => {
                out.u32_le(RUN);
                for text in [component, event, arguments] {
                    Text::encode_counted(text.as_ref(), out);
                }
                out.u32_le(*timeout);
                out.u32_le(*flags);
            }
            Self::Status { component, event } => {
                out.u32_le(STATUS);
                for text in [component, event] {
                    Text::encode_counted(text.as_ref(), out);
                }
            }
            Self::Script { component, script, action } => {
                out.u32_le(SCRIPT);
                for text in [component, script] {
                    Text::encode_counted(text.as_ref(), out);
                }
                out.u32_le(*action);
            }
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.u32_le()? {
            RUN => Self::Run {
                component: Text::decode_counted(from, "component")?,
                event: Text::decode_counted(from, "event")?,
                arguments: Text::decode_counted(from, "arguments")?,
                timeout: from.u32_le()?,
                flags: from.u32_le()?,
            },
            STATUS => Self::Status {
                component: Text::decode_counted(from, "component")?,
                event: Text::decode_counted(from, "event")?,
            },
            SCRIPT => Self::Script {
                component: Text::decode_counted(from, "component")?,
                script: Text::decode_counted(from, "script")?,
                action: from.u32_le()?,
            },
            other => return Err(unknown_command(other)),
        })
    }
}

/// What the event daemon answers. A result is 0 or an errno: 2 no such component, 8 a script
/// failed, 22 the event never ran, 110 it took too long, 125 it was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum EventReply {
    /// How an event went.
    Run {
        /// 0 or an errno.
        result: i32,
    },
    /// How an event went, the last time it ran.
    Status(Result<EventStatus, i32>),
    /// Whether a script was switched.
    Script {
        /// 0 or an errno.
        result: i32,
    },
}

/// How an event went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventStatus {
    /// The result of the last script that failed; 0 if none did.
    pub summary: i32,
    /// The scripts, in the order they ran.
    pub scripts: Vec<ScriptStatus>,
}

/// How a script went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScriptStatus {
    /// Its name, without `.script`.
    pub name: Option<Text>,
    /// When it began.
    pub begin: TimeVal,
    /// When it ended.
    pub end: TimeVal,
    /// 0, its exit status, or a negative errno: -8 not executable, -110 it took too long.
    pub result: i32,
    /// What it printed.
    pub output: Option<Text>,
}

impl Wire for EventReply {
    fn encode(&self, out: &mut Writer<'_>) {
        let (command, result) = match self {
            Self::Run { result } => (RUN, *result),
            Self::Status(Ok(_)) => (STATUS, 0),
            Self::Status(Err(result)) => (STATUS, *result),
            Self::Script { result } => (SCRIPT, *result),
        };
        out.u32_le(command);
        out.i32_le(result);
        if let Self::Status(Ok(EventStatus { summary, scripts })) = self {
            out.i32_le(*summary);
            encode_list(scripts, out);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let command = from.u32_le()?;
        let result = from.i32_le()?;
        Ok(match (command, result) {
            (RUN, result) => Self::Run { result },
            (STATUS, 0) => {
                let summary = from.i32_le()?;
                let count = from.u32_le()?;
                let count = from.room_for(count, SCRIPT_STATUS_MIN)?;
                Self::Status(Ok(EventStatus { summary, scripts: decode_entries(from, count)? }))
            }
            (STATUS, result) => Self::Status(Err(result)),
            (SCRIPT, result) => Self::Script { result },
            (other, _) => return Err(unknown_command(other)),
        })
    }
}

/// Two times, two lengths and a result.
const SCRIPT_STATUS_MIN: usize = 44;

impl Wire for ScriptStatus {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { name, begin, end, result, output } = self;
        Text::encode_counted(name.as_ref(), out);
        begin.encode(out);
        end.encode(out);
        out.i32_le(*result);
        Text::encode_counted(output.as_ref(), out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: Text::decode_counted(from, "script")?,
            begin: Wire::decode(from)?,
            end: Wire::decode(from)?,
            result: from.i32_le()?,
            output: Text::decode_counted(from, "output")?,
        })
    }
}

fn unknown_command(command: u32) -> DecodeError {
    DecodeError::BadValue { field: "command", value: command.into() }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::texts;
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    #[test]
    fn a_status_that_failed_is_20_bytes() {
        let reply = EventPacket { version: 0, reqid: RequestId(8), body: EventReply::Status(Err(22)) };
        fixture(&reply, &[20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 22, 0, 0, 0]);
    }

    fn scripts() -> impl Strategy<Value = Vec<ScriptStatus>> {
        let one = (option::of(texts()), any::<i64>(), any::<i32>(), option::of(texts()));
        let one = one.prop_map(|(name, seconds, result, output)| {
            let begin = TimeVal { seconds, micros: 1 };
            ScriptStatus { name, begin, end: TimeVal { seconds, micros: 2 }, result, output }
        });
        vec(one, 0..4)
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn event_packets_round_trip(
            text in vec(option::of(texts()), 3), number: u32, result in 1i32.., scripts in scripts(),
        ) {
            let [component, event, arguments] = text.try_into().unwrap();
            let again = (component.clone(), event.clone());
            let run = EventRequest::Run { component, event, arguments, timeout: number, flags: 1 };
            let (component, event) = again;
            let status = EventRequest::Status { component: component.clone(), event: event.clone() };
            let script = EventRequest::Script { component, script: event, action: number };
            for body in [run, status, script] {
                round_trip(&EventPacket { version: 1, reqid: RequestId(number), body })?;
            }
            let status = EventStatus { summary: -result, scripts };
            for body in [
                EventReply::Run { result }, EventReply::Script { result },
                EventReply::Status(Ok(status)), EventReply::Status(Err(result)),
            ] {
                round_trip(&EventPacket { version: 0, reqid: RequestId(number), body })?;
            }
        }

        #[test]
        fn any_bytes_are_event_packets_or_errors(mut bytes in any_bytes(), command in 0u8..5) {
            survives::<EventPacket<EventRequest>>(&bytes)?;
            if bytes.len() > 20 {
                let length = bytes.len() as u32;
                bytes[..4].copy_from_slice(&length.to_le_bytes());
                bytes[12..20].copy_from_slice(&[command, 0, 0, 0, 0, 0, 0, 0]);
            }
            survives::<EventPacket<EventRequest>>(&bytes)?;
            survives::<EventPacket<EventReply>>(&bytes)?;
        }
    }
}
