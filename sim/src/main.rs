//! `standin-sim`: seeds, scenarios and measurements on the command line.

mod cli;

use std::panic;
use std::process::ExitCode;

use clap::Parser;
use standin_sim::run::note_panic;

/// Standin's simulator: clusters in a world of faults, the same on every run.
#[derive(Debug, Parser)]
#[command(name = "standin-sim", bin_name = "cargo xtask", version, after_help = cli::EXIT_STATUS)]
enum Cli {
    Sim(Box<cli::options::Sim>),
    Scenario(cli::scenario::Scenario),
    Bench(cli::bench::Bench),
    Allocate(cli::allocate::Allocate),
}

fn main() -> ExitCode {
    report_panics_once();
    let ended = match Cli::try_parse() {
        Ok(Cli::Sim(args)) => cli::sim::run(*args),
        Ok(Cli::Scenario(args)) => cli::scenario::run(&args),
        Ok(Cli::Bench(args)) => cli::bench::run(&args),
        Ok(Cli::Allocate(args)) => cli::allocate::run(&args),
        Err(why) => {
            // Nothing is left to do about a closed terminal.
            let _ = why.print();
            Ok(if why.use_stderr() { cli::USAGE } else { 0 })
        }
    };
    ExitCode::from(ended.unwrap_or_else(|refusal| {
        eprintln!("{refusal}");
        refusal.status
    }))
}

/// A machine's panic is part of its run's verdict; only our own are printed.
fn report_panics_once() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !note_panic(panic) {
            print(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["standin-sim"].into_iter().chain(line.split_whitespace()))
    }

    fn sim(line: &str) -> cli::options::Sim {
        match parse(&format!("sim {line}")) {
            Ok(Cli::Sim(args)) => *args,
            Ok(other) => panic!("{other:?}"),
            Err(why) => panic!("{why}"),
        }
    }

    #[test]
    fn every_command_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_out_of_range_is_told_the_range() {
        for (line, said) in [
            ("--nodes 251", "1 to 250"),
            ("--nodes 0", "1 to 250"),
            ("--nodes many", "1 to 250"),
            ("--hours 0", "more than 0, up to 10000"),
            ("--hours 10001", "more than 0, up to 10000"),
            ("--faults 100001", "0 to 100000"),
            ("--faults -1", "0 to 100000"),
            ("--seed -1", "unexpected argument '-1'"),
            ("--seed x", "not a whole number"),
            ("--seeds 0", "1 to 1000000000000"),
            ("--seeds 1 --jobs 0", "1 to 1024"),
            ("--seeds 1 --minutes 0", "more than 0, up to 100000"),
            ("--set Name", "NAME=VALUE"),
        ] {
            let why = parse(&format!("sim {line}")).expect_err(line);
            assert!(why.to_string().contains(said), "{line}: {why}");
            assert!(why.use_stderr(), "{line}");
        }
        let why = parse("bench --nodes 3,251").unwrap_err().to_string();
        assert!(why.contains("1 to 250"), "{why}");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "--seed 1 --seeds 2",
            "--seeds 2 --trace",
            "--seeds 2 --plan",
            "--seeds 2 --trace-json f",
            "--plan --trace",
            "--plan --check-determinism",
        ] {
            let why = parse(&format!("sim {line}")).expect_err(line);
            assert_eq!(why.kind(), ErrorKind::ArgumentConflict, "{line}: {why}");
        }
        for line in ["--from 2", "--jobs 2", "--minutes 2", "--json f"] {
            let why = parse(&format!("sim {line}")).expect_err(line);
            assert_eq!(why.kind(), ErrorKind::MissingRequiredArgument, "{line}: {why}");
        }
        assert!(parse("bench --quick --hours 2").is_err());
        assert!(parse("scenario").is_err() && parse("scenario run a.scn b.scn").is_ok());
        assert!(parse("scenario accept").is_err(), "what is accepted is named");
    }

    #[test]
    fn a_scenario_ends_with_its_verdict() {
        let folder = std::env::temp_dir().join(format!("standin-scn-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let scenario = |word: &str, name: &str| {
            let line = format!("scenario {word} {}", folder.join(name).display());
            match parse(&line) {
                Ok(Cli::Scenario(args)) => cli::scenario::run(&args).unwrap_or_else(|refusal| refusal.status),
                other => panic!("{line}: {other:?}"),
            }
        };
        for (name, text) in [
            ("kept.scn", "nodes 2; expect within 5s connected all; end 5s"),
            ("early.scn", "nodes 2; expect connected all; end 5s"),
            ("late.scn", "nodes 2; start none; expect within 5s connected all; end 5s"),
            ("bad.scn", "nodes 2; expect within 5s conected all; end 5s"),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        for (word, name, status) in [
            ("run", "kept.scn", 0),
            ("run --no-trace", "kept.scn", 0),
            ("list", "kept.scn", 0),
            ("check", "kept.scn", 1),
            ("accept", "kept.scn", 0),
            ("check", "kept.scn", 0),
            ("run", "early.scn", 1),
            ("run", "late.scn", 2),
            ("check", "late.scn", 2),
            ("accept", "late.scn", 2),
            ("run", "bad.scn", 65),
            ("check", "missing.scn", 65),
            ("check", ".", 65),
        ] {
            assert_eq!(scenario(word, name), status, "{word} {name}");
        }
        assert!(!folder.join("late.snap").exists(), "a failing run is not accepted");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn help_and_version_are_no_failures() {
        for line in ["--help", "--version", "sim --help", "sim -h", "bench --help", "scenario check --help"] {
            assert!(!parse(line).expect_err(line).use_stderr(), "{line}");
        }
        let help = parse("sim --help").unwrap_err().to_string();
        for status in ["64", "65", "liveness"] {
            assert!(help.contains(status), "{help}");
        }
    }

    #[test]
    fn the_command_to_run_it_again_is_whole() {
        let given = "--seed 7 --nodes 5 --hours 0.5 --faults power,hang --set A=1 --set B= --plant panics \
                     --check-determinism --trace";
        assert_eq!(
            sim(given).again(7),
            "cargo xtask sim --seed 7 --nodes 5 --set A=1 --set B= --plant panics --hours 0.5 \
             --faults power,hang --trace --check-determinism"
        );
        assert_eq!(sim("--seeds 1_000 --jobs 2 --from 3 --json f").again(12), "cargo xtask sim --seed 12");
        let mut args = sim("--seed 1");
        args.settings.push(("Name".into(), "it's".into()));
        assert!(args.again(1).ends_with(r"--set 'Name=it'\''s'"), "{}", args.again(1));
    }

    #[test]
    fn what_only_the_protocol_knows_is_refused_with_the_nearest_word() {
        for (line, said) in [
            ("--faults powr", "`power`"),
            ("--faults power,zzzzz", "expected one of: none, all, power"),
            ("--plant panic", "`panics`"),
            ("--set Evry=2", "`Every`"),
            ("--set Every=x", "seconds, 1 or more"),
            ("--seeds 3 --set Evry=2", "`Every`"),
        ] {
            let line = format!("--protocol toy --seed 1 {line}").replace("--seed 1 --seeds", "--seeds");
            let refused = cli::sim::run(sim(&line)).expect_err(&line);
            assert_eq!(refused.status, 64, "{line}");
            assert!(refused.said.contains(said), "{line}: {refused}");
        }
        let refused = cli::sim::run(sim("--protocol cdtb")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "error: --protocol: there is no protocol `cdtb`\n  did you mean `ctdb`?"
        );
        let refused = cli::sim::run(sim("--protocol toy --trace-json /no/such/folder/f")).unwrap_err();
        assert_eq!(refused.status, 65);
    }

    #[test]
    fn a_run_ends_with_its_verdict() {
        for (line, status) in [
            ("--seed 1", 0),
            ("--seed 1 --plan", 0),
            ("--plant list", 0),
            ("--seed 1 --plant stalls", 2),
            ("--seed 1 --plant forgets --check-determinism", 1),
            ("--seeds 20 --check-determinism --faults none", 0),
            ("--seeds 20 --plant panics --hours 0.5", 3),
        ] {
            let ended = cli::sim::run(sim(&format!("--protocol toy {line}")));
            assert_eq!(ended, Ok(status), "{line}");
        }
    }
}
