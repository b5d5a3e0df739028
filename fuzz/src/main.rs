//! Reads files as a target of libFuzzer's, which is linked in with `--cfg fuzzing`; without that,
//! each file once: `standin-fuzz TARGET FILE…`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod fuzzer {
    use std::sync::LazyLock;

    use libfuzzer_sys::Corpus;
    use standin_fuzz::{Target, find};

    /// libFuzzer's command line is its own.
    static TARGET: LazyLock<&Target> = LazyLock::new(|| {
        let name = std::env::var("STANDIN_FUZZ").unwrap_or_default();
        find(&name).unwrap_or_else(|| panic!("STANDIN_FUZZ names no target: `{name}`"))
    });

    libfuzzer_sys::fuzz_target!(|bytes: &[u8]| -> Corpus {
        if bytes.len() > TARGET.bytes_max {
            return Corpus::Reject;
        }
        (TARGET.read)(bytes);
        Corpus::Keep
    });
}

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(target) = words.next().as_deref().and_then(standin_fuzz::find) else {
        eprintln!("usage: standin-fuzz TARGET FILE…; targets:");
        standin_fuzz::TARGETS.iter().for_each(|target| eprintln!("  {:<22} {}", target.name, target.about));
        return 64.into();
    };
    for file in words {
        match std::fs::read(&file) {
            Ok(bytes) => {
                println!("{file}");
                (target.read)(&bytes);
            }
            Err(why) => {
                eprintln!("{file}: {why}");
                return 65.into();
            }
        }
    }
    0.into()
}
