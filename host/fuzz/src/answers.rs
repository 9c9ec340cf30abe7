//! What a guest answers to a batch, byte for byte: the input is put into the guest's memory as its answer, from address
//! 65,536 on, with all pointers and lengths in it. Whatever it is, the call fails or the answer is fit to be delivered.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use pelton_connect::connectors::row_check;
use pelton_model::record::{Batch, ColumnData, Outcome, Output};
use pelton_model::settings::Limits;
use pelton_model::spec::{Spec, Target};
use pelton_runtime::{CompiledJob, Engine, Failure, Host, Instance};

#[path = "../../tests/hostile/spec.rs"]
mod spec;

/// Hands its first record's value back as its answer.
const GUEST: &str = r#"
  (memory (export "memory") 8)
  (global $heap (mut i32) (i32.const 200000))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "pelton:job/task@0.1.0#describe") (result i32)
    (i32.store (i32.const 1060) (i32.const 2))
    (i32.const 1024))
  (func (export "pelton:job/task@0.1.0#configure") (param i32 i32) (result i32) (i32.const 2048))
  (func (export "pelton:job/task@0.1.0#process") (param $batch i32) (result i32)
    (global.set $heap (i32.const 200000))
    (memory.fill (i32.const 65536) (i32.const 0) (i32.const 65536))
    (memory.copy (i32.const 65536) (i32.load offset=64 (local.get $batch)) (i32.load (i32.load offset=56 (local.get $batch))))
    (i32.const 65536))
"#;
/// The longest answer; a longer input is cut.
const LONGEST: usize = 65_536;
/// Records of the batch.
const RECORDS: usize = 3;

struct Silent;

impl Host for Silent {
    fn log(&self, _: tracing::Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

thread_local! {
    static GUESTS: RefCell<(CompiledJob, Option<Instance>)> = RefCell::new((job(), None));
}

fn job() -> CompiledJob {
    let module = wat::parse_str(format!("(module {} {GUEST})", spec::lie("answers"))).unwrap();
    let limits = Limits { batch_time: Duration::from_secs(60), answer_mib: 1, ..Limits::default() };
    let engine = Engine::new(limits, None).unwrap();
    engine.load(&pelton_runtime::component::embed(&module).unwrap()).unwrap()
}

/// Takes an answer.
pub fn run(data: &[u8]) {
    let mut batch = Batch { topic: "hostile".into(), ..Batch::default() };
    for (offset, value) in [&data[..data.len().min(LONGEST)], b"", b""].into_iter().enumerate() {
        batch.offsets.push(offset as i64);
        batch.timestamps.push(-1);
        batch.keys.push(None);
        batch.values.push(Some(value));
        batch.headers.end_record();
    }
    assert_eq!(batch.len(), RECORDS);
    GUESTS.with_borrow_mut(|(job, kept)| {
        let mut instance = kept.take().unwrap_or_else(|| job.instantiate(&[], Arc::new(Silent)).unwrap());
        match instance.process(&batch) {
            Ok(outcome) => {
                check(&outcome, job.spec());
                *kept = Some(instance);
            }
            Err(Failure::Broken(reason) | Failure::Error(reason)) => assert!(reason.len() < 10_000, "{reason}"),
            Err(Failure::TooMuch(..)) => {}
            Err(other) => panic!("{other}"),
        }
    });
}

/// Panics where an answer that was let through is not fit to be delivered.
fn check(outcome: &Outcome, spec: &Spec) {
    let all_are_records = |origin: &[u32]| origin.iter().all(|&index| (index as usize) < RECORDS);
    for output in &outcome.outputs {
        match output {
            Output::Forward { sink, origin } => {
                assert!(matches!(spec.sinks[*sink as usize].target, Target::Topic(_)) && all_are_records(origin));
            }
            Output::Messages { sink, messages } => {
                let count = messages.origin.len();
                assert!(matches!(spec.sinks[*sink as usize].target, Target::Topic(_)));
                assert!(all_are_records(&messages.origin));
                for column in [&messages.keys, &messages.values] {
                    assert_eq!(column.items.len(), count);
                    assert!((0..count).all(|i| column.items.get(i).is_some()));
                }
                if let Some(headers) = &messages.headers {
                    let all = (0..count).flat_map(|i| headers.of(i)).collect::<Vec<_>>();
                    assert_eq!(all.len(), headers.names.len());
                    assert!(all.iter().all(|(name, _)| str::from_utf8(name).is_ok()));
                }
            }
            Output::Rows { sink, rows } => {
                let target = &spec.sinks[*sink as usize].target;
                let Target::Table(table) = target else { panic!("rows for {target:?}") };
                assert!(all_are_records(&rows.origin));
                assert_eq!(rows.columns.len(), table.columns.len());
                let check = row_check(target);
                for (i, _) in rows.origin.iter().enumerate() {
                    for column in &rows.columns {
                        if let ColumnData::Packed(packed) = &column.data {
                            assert!(packed.get(i).is_some());
                        }
                    }
                    check.refusal(rows, i);
                }
            }
        }
    }
    assert!(outcome.rejects.iter().all(|reject| (reject.index as usize) < RECORDS && reject.reason.len() <= 4096));
}
