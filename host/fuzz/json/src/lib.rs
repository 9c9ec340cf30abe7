//! The JSON of jobs in JavaScript: the engine's own parser and QuickJS's make the same of every text.

use rquickjs::{Context, Runtime};

#[path = "../../../../guest-jobs/sdk/js/engine/src/json.rs"]
#[allow(dead_code, unsafe_code, unreachable_pub, reason = "it is the engine's, which has lints of its own")]
mod engine;

thread_local! {
    static CONTEXT: Context = {
        let runtime = Runtime::new().unwrap();
        // Where its own stack ends is not where libFuzzer's does.
        runtime.set_max_stack_size(0);
        Context::full(&runtime).unwrap()
    };
}

/// Takes a text; what is not UTF-8 is none.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let [ours, theirs] = CONTEXT.with(|context| {
        context.with(|ctx| {
            [engine::parse(&ctx, text), ctx.json_parse(text)].map(|value| match value {
                Ok(value) => {
                    let text = ctx.json_stringify(value).ok().flatten();
                    Some(text.and_then(|text| text.to_string().ok()))
                }
                Err(_) => {
                    ctx.catch();
                    None
                }
            })
        })
    });
    assert!(ours == theirs || ours.is_none() && engine::is_too_deep(text), "{ours:?} {theirs:?}");
    for name in ["a", "value", ""] {
        if let Some(found) = engine::raw(text, name) {
            assert_eq!(found, found.trim_ascii());
            if let Ok(object) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
                assert_eq!(serde_json::from_str::<serde_json::Value>(found).ok().as_ref(), object.get(name));
            }
        }
    }
}

#[cfg(test)]
mod seeds {
    use std::fs;
    use std::path::Path;

    #[test]
    fn each_is_taken() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        let seeds = fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path());
        let count = seeds.map(|path| super::run(&fs::read(path).unwrap())).count();
        assert!(count > 0);
    }
}
