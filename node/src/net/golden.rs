//! Frames recorded from a real ctdbd.

const CAPTURE: &str = include_str!("../../../tests/captures/ctdb-golden.json");

/// The frame of this name, as bytes from the Ethernet header on.
pub(super) fn frame(name: &str) -> Vec<u8> {
    let (_, after) = CAPTURE.split_once(&format!("\"name\": \"{name}\"")).expect("a frame of that name");
    let hex = after.split("\"hex\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("its bytes");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}
