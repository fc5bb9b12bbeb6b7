//! The microprogram as a whole: its files, what they declare, and its control words.

use super::code::Body;
use super::compile::compile;
use super::names::predefined;
use super::place::place;
use anyhow::{Context, Result, anyhow, bail, ensure};
use proc_macro2::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::spanned::Spanned;

/// The most words of a function that is compiled into everything that calls it.
const SHORT: usize = 11;

/// The root of thread 0.
pub const MAIN: &str = "main";
/// The root of thread 1.
pub const HOST: &str = "host";

/// A function as it was written.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) parameters: Vec<String>,
    pub(super) block: syn::Block,
}

/// Everything that is declared, by name.
pub(super) struct Scope {
    pub(super) constants: BTreeMap<String, u32>,
    pub(super) statics: BTreeMap<String, u16>,
    /// Number in `functions`.
    pub(super) by_name: BTreeMap<String, usize>,
    pub(super) functions: Vec<Source>,
}

/// The control store's contents, and where its functions are.
pub struct Program {
    /// Control words, from word 0 on.
    pub words: Vec<u64>,
    /// The function that each was written in.
    pub origins: Vec<String>,
    /// First word and name of each function, and the thread it is for, in order.
    pub functions: Vec<(usize, String, u8)>,
    /// The register of each static.
    pub statics: BTreeMap<String, u16>,
    /// Registers used.
    pub registers: usize,
    /// Functions that nothing calls.
    pub unused: Vec<String>,
}

/// An error at a place of a file.
pub(super) fn at(file: &str, span: Span, what: impl std::fmt::Display) -> anyhow::Error {
    let start = span.start();
    anyhow!("{file}:{}:{}: {what}", start.line, start.column + 1)
}

/// Compiles all `.rs` files of `folder`.
pub fn load(folder: &Path) -> Result<Program> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    build(&files)
}

/// Compiles these files, each a name and its text.
pub fn build(files: &[(String, String)]) -> Result<Program> {
    let scope = declare(files)?;
    let plain = bodies(&scope, &BTreeSet::new())?;
    let mut program = place(&scope, &bodies(&scope, &inlined(&scope, &plain))?)?;
    let roots = [scope.by_name[MAIN], scope.by_name[HOST]];
    let is_used =
        |to: &usize| roots.iter().any(|&from| from == *to || reaches(&plain, from, *to, &mut BTreeSet::new()));
    let unused = (0..plain.len()).filter(|function| !is_used(function));
    program.unused = unused.map(|function| scope.functions[function].name.clone()).collect();
    Ok(program)
}

/// All functions, those of `inlined` compiled into what calls them too.
fn bodies(scope: &Scope, inlined: &BTreeSet<usize>) -> Result<Vec<Body>> {
    let mut bodies: Vec<Body> = Vec::new();
    let mut errors = Vec::new();
    for function in &scope.functions {
        match compile(scope, function, inlined) {
            Ok(body) => bodies.push(body),
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    if !errors.is_empty() {
        bail!("{}", errors.join("\n"));
    }
    Ok(bodies)
}

/// Functions that a call and a return would make slower and hardly shorter: those called in one place, and the shortest. One that
/// calls itself is not among them.
fn inlined(scope: &Scope, bodies: &[Body]) -> BTreeSet<usize> {
    let mut places = vec![0; bodies.len()];
    for &callee in bodies.iter().flat_map(|body| &body.calls) {
        places[callee] += 1;
    }
    let roots = [MAIN, HOST].map(|root| scope.by_name.get(root).copied());
    let is_inlined = |&function: &usize| {
        let body = &bodies[function];
        let is_short = body.code.len() <= SHORT;
        places[function] == 1 || is_short && !roots.contains(&Some(function))
    };
    (0..bodies.len())
        .filter(is_inlined)
        .filter(|&function| !reaches(bodies, function, function, &mut BTreeSet::new()))
        .collect()
}

/// Whether `from` calls `to`, itself or by others.
fn reaches(bodies: &[Body], from: usize, to: usize, seen: &mut BTreeSet<usize>) -> bool {
    bodies[from]
        .calls
        .iter()
        .any(|&callee| callee == to || seen.insert(callee) && reaches(bodies, callee, to, seen))
}

fn declare(files: &[(String, String)]) -> Result<Scope> {
    let mut scope =
        Scope { constants: predefined(), statics: BTreeMap::new(), by_name: BTreeMap::new(), functions: Vec::new() };
    let mut constants = Vec::new();
    for (file, text) in files {
        let parsed = syn::parse_file(text).map_err(|error| at(file, error.span(), &error))?;
        for item in parsed.items {
            match item {
                syn::Item::Const(item) => constants.push((file.clone(), item)),
                syn::Item::Static(item) => {
                    let number = scope.statics.len() as u16;
                    let old = scope.statics.insert(item.ident.to_string(), number);
                    ensure!(old.is_none(), at(file, item.span(), format!("`{}` is declared twice", item.ident)));
                }
                syn::Item::Fn(item) => declare_function(&mut scope, file, item)?,
                other => bail!(at(file, other.span(), "only const, static and fn")),
            }
        }
    }
    resolve(&mut scope, constants)?;
    Ok(scope)
}

fn declare_function(scope: &mut Scope, file: &str, item: syn::ItemFn) -> Result<()> {
    let mut parameters = Vec::new();
    for input in &item.sig.inputs {
        let syn::FnArg::Typed(input) = input else { bail!(at(file, input.span(), "no self")) };
        let syn::Pat::Ident(name) = &*input.pat else { bail!(at(file, input.span(), "a parameter is a name")) };
        parameters.push(name.ident.to_string());
    }
    let name = item.sig.ident.to_string();
    let old = scope.by_name.insert(name.clone(), scope.functions.len());
    ensure!(old.is_none(), at(file, item.sig.span(), format!("`{name}` is declared twice")));
    scope
        .functions
        .push(Source { name, file: file.to_owned(), parameters, block: *item.block });
    Ok(())
}

/// Constants may use each other in any order.
fn resolve(scope: &mut Scope, mut constants: Vec<(String, syn::ItemConst)>) -> Result<()> {
    while !constants.is_empty() {
        let before = constants.len();
        let mut error = None;
        let mut left = Vec::new();
        for (file, item) in constants {
            match super::expr::constant(scope, &file, &item.expr) {
                Ok(value) => {
                    let old = scope.constants.insert(item.ident.to_string(), value);
                    ensure!(old.is_none(), at(&file, item.span(), format!("`{}` is declared twice", item.ident)));
                }
                Err(why) => {
                    error = Some(why);
                    left.push((file, item));
                }
            }
        }
        constants = left;
        if constants.len() == before {
            return Err(error.unwrap_or_else(|| anyhow!("constants cannot be resolved")));
        }
    }
    Ok(())
}
