//! The table of the corpus: each guest's test, and what is to become of it.

use std::fs;
use std::path::Path;

use crate::Fate::{Fails, Letters, Logs, Refused, Runs};
use crate::Guest;
use crate::arena::attack;

macro_rules! guests {
    ($($folder:ident { $($name:ident: $fate:expr,)* })*) => {
        /// All guests, in the order of `docs/security.md`.
        pub(crate) const ALL: &[Guest] = &[$($(Guest {
            test: concat!(stringify!($folder), "::", stringify!($name)),
            text: include_str!(concat!(stringify!($folder), "/", stringify!($name), ".wat")),
            fate: $fate,
        },)*)*];

        $(mod $folder {
            $(#[test]
            fn $name() {
                super::test(concat!(stringify!($folder), "::", stringify!($name)));
            })*
        })*
    };
}

#[track_caller]
fn test(name: &str) {
    attack(ALL.iter().find(|guest| guest.test == name).unwrap());
}

/// Panics where a file has no line in the table.
pub(crate) fn check_all_have_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let inner = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = inner.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    for file in files {
        let folder = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let test = format!("{folder}::{}", file.file_stem().unwrap().to_str().unwrap());
        assert!(
            ALL.iter().any(|guest| guest.test == test && file.extension().is_some_and(|extension| extension == "wat")),
            "{} has no line in guests.rs",
            file.display()
        );
    }
}

#[test]
fn every_file_has_a_test() {
    check_all_have_tests();
}

guests! {
    describe {
        traps: Refused("the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        loops: Refused("the job ran longer than 2s on one batch"),
        allocates: Refused("the job needed more than 256 MiB of memory"),
        recurses: Refused("the job trapped: wasm trap: call stack exhausted"),
        spec_beyond_memory: Refused("pointer out of bounds of memory"),
        spec_unaligned: Refused("return pointer not aligned"),
        description_of_60_mb: Refused("the description is longer than 1000 characters"),
        description_of_escapes: Refused("the description has a control character, U+001B"),
        description_right_to_left: Refused("the description has a character that turns or breaks lines, U+202E"),
        name_of_10_mb: Refused("(10000000 bytes) is not 1 to 100 lower-case letters, digits, `_` and `-`"),
        name_empty: Refused("job name \"\" is not 1 to 100 lower-case letters, digits, `_` and `-`"),
        name_not_utf8: Refused("invalid utf-8 sequence of 1 bytes from index 3"),
        name_is_a_path: Refused("job name \"../../etc/cron.d/job\" is not 1 to 100 lower-case letters, digits, `_` and `-`"),
        version_of_lines: Refused("the version has a control character, U+000A"),
        version_of_10_mb: Refused("the version is longer than 100 characters"),
        a_million_sinks: Refused("fuel allocated for hostcalls has been exhausted"),
        a_list_of_4_gib: Refused("list pointer/length out of bounds of memory"),
        sinks_without_sources: Refused("the job declares no source"),
        sinks_of_one_name: Refused("the sink \"spoils\" is declared twice"),
        reads_an_internal_topic: Refused("the topic \"__consumer_offsets\" is Kafka's own: no job reads or writes it"),
        writes_an_internal_topic: Refused("the topic \"__transaction_state\" is Kafka's own: no job reads or writes it"),
        reads_its_own_letters: Refused("dead letters"),
        writes_to_its_source: Refused("--allow-loop"),
        topic_of_slashes: Refused("\"../alerts\" is not a legal topic name"),
        target_of_no_kind: Refused("unexpected discriminant: 9"),
        column_of_no_type: Refused("unexpected discriminant: 99"),
        conflict_without_key: Refused("sink \"rows\" says what happens on a conflict, but declares no key columns"),
        column_of_another_type: Refused("column `id` is `integer`, the job declares `boolean`"),
        table_of_the_catalog: Refused("column `id` is missing"),
        table_that_is_sql: Refused("table `hostile_rows; DROP TABLE hostile_rows; --` is missing"),
        statement_that_drops: Refused("the statement must be one INSERT, UPDATE or DELETE, it is `DROP`"),
        statement_of_two: Refused("cannot insert multiple commands into a prepared statement"),
        statement_of_10_mb: Refused("the statement is longer than 65536 bytes"),
    }
    compile {
        empty: Refused("unexpected end-of-file"),
        text: Refused("the file is no WebAssembly, which begins with"),
        machine_code: Refused("this is compiled code"),
        cut: Refused("unexpected end-of-file"),
        number_without_end: Refused("integer representation too long"),
        section_of_4_gib: Refused("unexpected end-of-file"),
        vector_of_4_billion: Refused("definitions (types, imports, exports, aliases, instances, …); 200000 are allowed"),
        components_in_components: Refused("it does not export pelton:job/task@0.1"),
        instances_of_an_empty_module: Refused("it does not export pelton:job/task@0.1"),
        type_that_doubles: Refused("effective type size exceeds the limit of 1000000"),
        imports_a_component: Refused("root-level component imports are not supported"),
        another_world: Refused("does not have export `describe`"),
        functions_900k: Refused("functions; 200000 are allowed"),
        function_of_1_mb: Runs,
        blocks_in_blocks: Runs,
        branches_to_a_million_labels: Refused("which exceeds the implementation limit of 65520"),
        locals_4_billion: Refused("holds no component's bindings"),
        locals_50k_in_functions: Runs,
        types_100k: Runs,
        types_a_million_and_one: Refused("definitions (types, imports, exports, aliases, instances, …); 200000 are allowed"),
        globals_a_million_and_one: Refused("definitions (types, imports, exports, aliases, instances, …); 200000 are allowed"),
        data_segments_100k: Refused("data segments count exceeds limit of 100000"),
        memories_90: Refused("resource limit exceeded: memory count too high"),
        tables_101: Refused("tables count exceeds limit of 100"),
        table_of_a_billion: Refused("the job needed more than 256 MiB of memory"),
        tables_of_60_million_elements: Refused("the job needed more than 256 MiB of memory"),
        memory_of_4_gib: Refused("memory"),
        memory_of_64_bits: Refused("type mismatch: expected i64, found i32"),
        memory_that_is_shared: Refused("threads must be enabled for shared memories"),
        start_loops: Refused("the job ran longer than 2s on one batch"),
        start_traps: Refused("the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        import_that_is_not_offered: Refused("failed to resolve import `env::system`"),
        import_of_another_type: Refused("type mismatch for function `log`"),
        section_of_100_mb: Runs,
        element_segment_of_a_million: Runs,
        exceptions: Refused("exceptions proposal not enabled"),
    }
    configure {
        traps: Refused("the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        loops: Refused("the job ran longer than 2s on one batch"),
        allocates: Refused("the job needed more than 256 MiB of memory"),
        grows_tables: Refused("the job needed more than 256 MiB of memory"),
        recurses: Refused("the job trapped: wasm trap: call stack exhausted"),
        logs_without_end: Refused("the job ran longer than 2s on one batch"),
        refuses_in_60_mb: Refused("the job refuses its parameters: the job failed: xxxx"),
        refuses_in_escapes: Refused("the job refuses its parameters: the job failed: no\\u{1b}[2J"),
        answers_neither: Refused("discriminant"),
    }
    process {
        traps_always: Fails("the job fails on every record: the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        traps_on_the_third_call: Runs,
        traps_on_one_record: Letters("the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        traps_by_chance: Runs,
        loops: Fails("the job fails on every record: the job ran longer than 1s on one batch"),
        loops_on_one_record: Letters("the job ran longer than 1s on one batch"),
        takes_almost_its_time: Runs,
        fills_memory_in_one_instruction: Fails("the job fails on every record: the job ran longer than 1s on one batch"),
        recurses: Fails("the job fails on every record: the job trapped: wasm trap: call stack exhausted"),
        divides_by_zero: Fails("the job fails on every record: the job trapped: wasm trap: integer divide by zero"),
        calls_nothing: Fails("the job fails on every record: the job trapped: wasm trap: uninitialized element"),
        reads_beyond_memory: Fails("the job fails on every record: the job trapped: wasm trap: out of bounds memory access"),
        takes_all_memory: Fails("the job fails on every record: the job needed more than 256 MiB of memory"),
        goes_on_without_memory: Runs,
        leaks: Runs,
        grows_a_table_for_ever: Fails("the job fails on every record: the job needed more than 256 MiB of memory"),
        forwards_one_record_15m_times: Fails("MiB of the host's memory, of which it spends some on each message, row and reject however small"),
        sends_5m_empty_messages: Fails("MiB of the host's memory, of which it spends some on each message, row and reject however small"),
        sends_2m_headers: Fails("MiB of the host's memory, of which it spends some on each message, row and reject however small"),
        sends_2m_outputs: Fails("the job fails on every record: the job's answer breaks the contract: "),
        sends_2m_rows: Fails("MiB of the host's memory, of which it spends some on each message, row and reject however small"),
        sends_60_mb: Letters("it is larger than the max.message.bytes of topic \"spoils\" allows"),
        sends_a_key_of_2_mb: Letters("it is larger than the max.message.bytes of topic \"spoils\" allows"),
        rejects_a_million_times: Fails("the job fails on every record: the job's answer breaks the contract: "),
        rejects_a_million_times_for_nothing: Fails("MiB of the host's memory, of which it spends some on each message, row and reject however small"),
        rejects_in_escapes: Letters("no\\u{1b}[2J"),
        rejects_for_60_mb: Letters("xxxx"),
        rejects_what_it_did_not_get: Fails("the job fails on every record: the job's answer breaks the contract: a reject of record 4000000000 in a batch of 1"),
        fails_in_60_mb: Fails("the job fails on every record: the job failed: xxxx"),
        fails_in_escapes: Fails("the job fails on every record: the job failed: no\\u{1b}[2J"),
        fails_in_no_text: Fails("the job fails on every record: the job's answer breaks the contract: "),
        answers_neither: Fails("the job fails on every record: the job's answer breaks the contract: "),
        answers_beyond_memory: Fails("the job fails on every record: the job's answer breaks the contract: "),
        answers_unaligned: Fails("the job fails on every record: the job's answer breaks the contract: "),
        outputs_beyond_memory: Fails("the job fails on every record: the job's answer breaks the contract: "),
        length_overflows: Fails("the job fails on every record: the job's answer breaks the contract: "),
        indices_beyond_memory: Fails("the job fails on every record: the job's answer breaks the contract: "),
        forwards_what_it_did_not_get: Fails("the job fails on every record: the job's answer breaks the contract: output 0: origin 1000000 in a batch of 1 records"),
        forwards_half_an_index: Fails("the job fails on every record: the job's answer breaks the contract: "),
        sink_that_is_not_declared: Fails("the job fails on every record: the job's answer breaks the contract: output 0: sink 99, but the job declares 1"),
        rows_for_a_topic: Fails("the job fails on every record: the job's answer breaks the contract: "),
        messages_for_a_table: Fails("the job fails on every record: the job's answer breaks the contract: "),
        rows_of_too_few_columns: Fails("the job fails on every record: the job's answer breaks the contract: "),
        rows_of_another_type: Fails("the job fails on every record: the job's answer breaks the contract: "),
        rows_of_no_type: Fails("the job fails on every record: the job's answer breaks the contract: "),
        rows_of_other_lengths: Fails("the job fails on every record: the job's answer breaks the contract: "),
        validity_of_other_lengths: Fails("the job fails on every record: the job's answer breaks the contract: "),
        ends_that_fall: Fails("the job fails on every record: the job's answer breaks the contract: "),
        ends_of_4_gib: Fails("the job fails on every record: the job's answer breaks the contract: "),
        header_that_is_no_text: Fails("the job fails on every record: the job's answer breaks the contract: "),
        parts_that_overlap: Runs,
        numeric_of_a_million_digits: Letters("has more than 131072 digits before the decimal point"),
        numeric_that_is_none: Letters("column `amount`: `1); DROP-` is not a number"),
        text_of_nul: Letters("column `note`: a NUL character"),
        realloc_traps: Fails("the job fails on every record: the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        realloc_loops: Refused("the job refuses its parameters: the job ran longer than 2s on one batch"),
        realloc_beyond_memory: Refused("the job refuses its parameters: the job's answer breaks the contract: realloc return: beyond end of memory"),
        realloc_unaligned: Refused("the job refuses its parameters: the job's answer breaks the contract: realloc return: result not aligned"),
        realloc_always_the_same: Runs,
        realloc_calls_the_host: Refused("the job refuses its parameters: the job trapped: wasm trap: cannot leave component instance"),
        post_return_traps: Fails("the job fails on every record: the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        post_return_loops: Fails("the job fails on every record: the job ran longer than 1s on one batch"),
        logs_10m_lines: Runs,
        logs_a_line_of_60_mb: Logs("xxxx"),
        logs_escapes: Logs("well\\u{1b}[2J"),
        logs_of_no_level: Fails("the job fails on every record: the job's answer breaks the contract: "),
        logs_beyond_memory: Fails("the job fails on every record: the job's answer breaks the contract: "),
        counts_under_100k_names: Runs,
        counts_under_a_name_of_lines: Runs,
        counts_beyond_64_bits: Runs,
    }
    wasi {
        prints_without_end: Fails("the job fails on every record: the job ran longer than 1s on one batch"),
        prints_in_one_call: Fails("the job fails on every record: the job trapped: the job wrote 60000000 bytes in one call; 65536 are allowed"),
        prints_escapes: Logs("\\u{1b}[2J"),
        exits: Fails("the job fails on every record: the job trapped: the job exited, with success"),
        exits_by_preview_1: Fails("the job fails on every record: the job trapped: wasm trap: wasm `unreachable` instruction executed"),
        opens_files: Fails("the job fails on every record: the job failed: error no. 8"),
        reads_the_environment: Fails("the job fails on every record: the job failed: variables: 0"),
        opens_a_socket: Fails("the job fails on every record: the job failed: error no. 1"),
        draws_a_gibibyte: Fails("the job fails on every record: the job trapped: the job asked for 1073741824 random bytes in one call; 65536 are allowed"),
        sleeps: Fails("the job fails on every record: the job ran longer than 1s on one batch"),
        sleeps_by_preview_1: Runs,
        holds_a_million_handles: Fails("the job fails on every record: the job trapped: the job holds more than 1000 handles of WASI"),
        handle_that_it_does_not_have: Fails("the job fails on every record: the job's answer breaks the contract: unknown handle index 7"),
        polls_16_million_times: Fails("the job fails on every record: the job's answer breaks the contract: "),
        reads_a_clock_without_end: Fails("the job fails on every record: the job ran longer than 1s on one batch"),
        imports_http: Refused("wasi:http/outgoing-handler@0.2.0"),
    }
}
