//! The microprogram's compiler: what it refuses, and what becomes of functions. What its words do is tested on the Verilated
//! sequencer (`sim/tests/sequencer.rs`).

use kvcpu_hdl::micro::program::{Program, build};

fn compile(text: &str) -> anyhow::Result<Program> {
    build(&[("a.rs".to_owned(), text.to_owned())])
}

fn refused(text: &str) -> String {
    compile(text).err().map(|error| format!("{error:#}")).unwrap_or_default()
}

fn names(program: &Program) -> Vec<&str> {
    program.functions.iter().map(|(_, name, _)| name.as_str()).collect()
}

#[test]
fn errors_name_the_place() {
    let host = "fn host() {}\n";
    let of = |main: &str| refused(&format!("{host}{main}"));
    assert_eq!(of("fn main() { f(1); }\nfn f(x: u32) { x = 2; }"), "a.rs:3:16: `x` is not `mut`");
    assert_eq!(of("fn main() { let x = 1; x += 1; }"), "a.rs:2:24: `x` is not `mut`");
    assert_eq!(of("fn main() { y = 1; }"), "a.rs:2:13: only a local or a static can be assigned");
    assert_eq!(of("fn main() { f(); }"), "a.rs:2:13: function `f` is not declared");
    assert_eq!(of("fn main() { f(); }\nfn f(x: u32) {}"), "a.rs:2:13: `f` takes 1 values, not 0");
}

#[test]
fn a_function_that_calls_itself_is_refused() {
    let alone = "fn host() {}\nfn main() { f(3); }\nfn f(n: u32) { if n != 0 { f(n - 1); } }";
    assert!(refused(alone).contains("`f` calls itself"), "{}", refused(alone));
    let by_another = "fn host() {}\nfn main() { f(); }\nfn f() { g(); }\nfn g() { f(); }";
    assert!(refused(by_another).contains("calls itself"), "{}", refused(by_another));
}

#[test]
fn short_functions_and_those_called_once_are_compiled_in() {
    let long = "store(1, a); store(2, a); store(3, a); store(4, a); store(5, a); store(6, a); store(7, a);
        store(8, a); store(9, a); store(10, a); store(11, a); store(12, a); store(13, a);";
    let program = compile(&format!(
        "fn host() {{ let mut n = 0; while n != 4 {{ long(n); n += 1; }} }}
        fn main() {{ once(1); short(2); short(3); long(4); }}
        fn once(a: u32) {{ {long} }}
        fn short(a: u32) {{ store(a, a); }}
        fn long(a: u32) {{ {long} }}
        fn never() {{}}"
    ))
    .expect("it compiles");
    assert_eq!(names(&program), ["main", "long", "host", "long"]);
    assert_eq!(program.unused, ["never"]);
    assert_eq!(program.words.len(), program.origins.len());
    assert!(program.origins.iter().filter(|origin| *origin == "once").count() >= 13);
}
