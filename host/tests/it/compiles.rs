//! Components that are made to keep a compiler busy: each has a process with bounds, and the host none of it.

use std::fs;
use std::path::PathBuf;

use crate::api_safety::lonely;
use crate::eventually::eventually;
use crate::http::{Answer, request};
use crate::pelton::Host;
use crate::stage::{RUN, example};

/// A host without servers, and with these limits.
fn limited(limits: &str) -> Host {
    let mut host = lonely().config(&format!("[limits]\n{limits}"));
    host.start();
    host
}

fn upload(host: &Host, component: &[u8]) -> Answer {
    request(host.port(), "POST", "/api/v1/components", &[("content-type", "application/wasm")], component)
}

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// A component of one module with so many functions, each of which adds so often.
fn component(functions: usize, additions: usize) -> Vec<u8> {
    let section = |id: u8, body: Vec<u8>| [vec![id], leb(body.len()), body].concat();
    let add = [0x41, 1, 0x41, 2, 0x6a, 0x1a];
    let body = [vec![0], add.repeat(additions), vec![0x0b]].concat();
    let code = [leb(body.len()), body].concat().repeat(functions);
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, vec![1, 0x60, 0, 0]),
        section(3, [leb(functions), vec![0; functions]].concat()),
        section(10, [leb(functions), code].concat()),
    ];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module.concat())].concat()
}

/// The processes that a host has compile.
fn compilers(host: &Host) -> Vec<PathBuf> {
    let of_host = format!("PPid:\t{}\n", host.pid());
    let is_one = |process: &PathBuf| {
        let read = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
        read("status").contains(&of_host) && read("cmdline").starts_with("pelton\0compile\0")
    };
    fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(is_one).collect()
}

#[test]
fn what_never_ends_is_broken_off_and_leaves_nothing() {
    let host = limited("compile_time = \"2s\"\n");
    let endless = component(150_000, 60);
    let answer = std::thread::scope(|scope| {
        // Asked for twice, it is compiled once.
        let asked = [(); 2].map(|()| scope.spawn(|| upload(&host, &endless)));
        let compiler = eventually(RUN, "it is compiled", || compilers(&host).pop());
        assert!(compilers(&host).len() <= 1);
        let environment = fs::read_to_string(compiler.join("environ")).unwrap_or_default();
        assert!(!environment.contains("PELTON") && !environment.contains("POSTGRES"), "{environment}");
        asked.map(|asked| asked.join().unwrap()).into_iter().next().unwrap()
    });
    assert_eq!((answer.status, answer.code().as_str()), (422, "compile-time"), "{answer:?}");
    assert!(answer.body.contains("longer than 2s (limits.compile_time), and was broken off"), "{answer:?}");
    assert_eq!(compilers(&host), Vec::<PathBuf>::new());
    assert_eq!(fs::read_dir(host.data().join("components")).unwrap().count(), 0);
}

#[test]
fn what_takes_much_memory_takes_none_of_the_hosts() {
    let host = limited("compile_mib = 256\n");
    let answer = upload(&host, &component(190_000, 10));
    assert_eq!((answer.status, answer.code().as_str()), (422, "not-a-job"), "{answer:?}");
    assert!(answer.body.contains("takes more than 256 MiB of memory (limits.compile_mib)"), "{answer:?}");
    // Others have the place.
    let answer = upload(&host, &fs::read(example("sensor_alerts")).unwrap());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn what_has_too_much_of_anything_is_not_compiled_at_all() {
    let host = limited("");
    let answer = upload(&host, &component(900_000, 0));
    assert_eq!((answer.status, answer.code().as_str()), (422, "not-a-job"), "{answer:?}");
    assert!(answer.body.contains("900000 functions; 200000 are allowed"), "{answer:?}");
}
