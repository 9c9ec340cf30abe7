//! The input of `pelton test`: lines of values or of envelopes. A line is taken or told, and what is printed is JSON.

use std::cell::RefCell;
use std::time::Duration;

use pelton_model::settings::Limits;
use pelton_pipeline::trial::{Format, Trial, TrialError};
use pelton_runtime::{CompiledJob, Engine};

/// Forwards its records.
const IDENTITY: &[u8] = include_bytes!("../../tests/guests/identity.wasm");

thread_local! {
    static JOB: RefCell<CompiledJob> = RefCell::new({
        let limits = Limits { batch_time: Duration::from_secs(60), ..Limits::default() };
        Engine::new(limits, None).unwrap().load(IDENTITY).unwrap()
    });
}

/// Takes lines; the first byte says of which kind, and how batches are cut.
pub fn run(data: &[u8]) {
    let Some((&kind, input)) = data.split_first() else { return };
    let trial = Trial {
        parameters: Vec::new(),
        batch_records: 1 + usize::from(kind >> 1 & 7),
        batch_bytes: 1 << (kind >> 4),
        format: if kind & 1 == 0 { Format::Value } else { Format::Envelope },
    };
    let mut printed = 0;
    let mut print = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value.is_object(), "{line}");
        printed += 1;
        Ok(())
    };
    let ran = JOB.with_borrow(|job| trial.run_job(job, input, &mut print));
    match ran {
        Ok(summary) => {
            let lines =
                input.split(|&byte| byte == b'\n').count() - usize::from(input.is_empty() || input.ends_with(b"\n"));
            assert_eq!(summary.records, lines as u64);
            assert_eq!((summary.failures, summary.rejects, printed), (0, 0, lines));
        }
        Err(TrialError::Input(cause)) => {
            assert_eq!(trial.format, Format::Envelope, "{cause}");
            assert!(cause.to_string().contains("of the records"), "{cause}");
        }
        Err(error) => panic!("{error}"),
    }
}
