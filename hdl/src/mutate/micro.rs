//! Mutants of the microprogram: each is compiled, and its words stand beside the original's in the control store.

use super::{Block, Candidate, Kind, Mutant, draw};
use crate::micro::program::build;
use crate::micro::{WORD_BITS, room};
use anyhow::{Context, Result, anyhow, ensure};
use proc_macro2::Span;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprBinary, ExprIf, ItemConst, LitInt, Stmt};

/// How many mutants each block gets.
const COUNTS: [(Block, usize); 5] =
    [(Block::Hepc, 6), (Block::Rtbd, 5), (Block::Dma, 6), (Block::Luf, 14), (Block::Csr, 8)];

/// Files of the microprogram, and which block they are.
const FILES: [(&str, Block); 19] = [
    ("hepc.rs", Block::Hepc),
    ("guard.rs", Block::Hepc),
    ("lists.rs", Block::Hepc),
    ("chain.rs", Block::Hepc),
    ("auto.rs", Block::Hepc),
    ("place.rs", Block::Rtbd),
    ("slot.rs", Block::Rtbd),
    ("insert.rs", Block::Rtbd),
    ("tier.rs", Block::Dma),
    ("moves.rs", Block::Dma),
    ("copy.rs", Block::Dma),
    ("ring.rs", Block::Dma),
    ("luf.rs", Block::Luf),
    ("access.rs", Block::Csr),
    ("host.rs", Block::Csr),
    ("queue.rs", Block::Csr),
    ("doorbell.rs", Block::Csr),
    ("irq.rs", Block::Csr),
    ("config.rs", Block::Csr),
];

/// A change of a file's text.
struct Edit {
    /// Number of the file.
    file: usize,
    line: usize,
    bytes: std::ops::Range<usize>,
    text: String,
}

/// Finds what can be changed in a file.
struct Finder<'t> {
    text: &'t str,
    found: Vec<(Kind, Span, String)>,
}

impl Finder<'_> {
    fn of(&self, node: &impl Spanned) -> &str {
        self.text.get(node.span().byte_range()).unwrap_or_default()
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_const(&mut self, _: &'ast ItemConst) {
        // Names of places and bits: both threads, and often the hardware, would change with them.
    }

    fn visit_expr_binary(&mut self, node: &'ast ExprBinary) {
        let other = match node.op {
            BinOp::Add(_) => "-",
            BinOp::Sub(_) => "+",
            BinOp::Lt(_) => "<=",
            BinOp::Le(_) => "<",
            BinOp::Gt(_) => ">=",
            BinOp::Ge(_) => ">",
            BinOp::Eq(_) => "!=",
            BinOp::Ne(_) => "==",
            BinOp::And(_) => "||",
            BinOp::Or(_) => "&&",
            BinOp::BitAnd(_) => "|",
            BinOp::BitOr(_) => "&",
            BinOp::Shl(_) => ">>",
            BinOp::Shr(_) => "<<",
            BinOp::AddAssign(_) => "-=",
            BinOp::SubAssign(_) => "+=",
            _ => return visit::visit_expr_binary(self, node),
        };
        self.found.push((Kind::Operator, node.op.span(), other.into()));
        visit::visit_expr_binary(self, node);
    }

    fn visit_lit_int(&mut self, node: &'ast LitInt) {
        if let Ok(value) = node.base10_parse::<u32>() {
            self.found.push((Kind::Constant, node.span(), value.wrapping_add(1).to_string()));
            if value > 0 {
                self.found.push((Kind::Constant, node.span(), (value - 1).to_string()));
            }
        }
    }

    fn visit_expr_if(&mut self, node: &'ast ExprIf) {
        let swapped = match &node.else_branch {
            Some((_, other)) if matches!(**other, Expr::Block(_)) => {
                format!("if {} {} else {}", self.of(&node.cond), self.of(other), self.of(&node.then_branch))
            }
            _ => String::new(),
        };
        if !swapped.is_empty() {
            self.found.push((Kind::Branches, node.span(), swapped));
        }
        visit::visit_expr_if(self, node);
    }

    fn visit_stmt(&mut self, node: &'ast Stmt) {
        if let Stmt::Expr(Expr::Call(_) | Expr::Assign(_) | Expr::Return(_), Some(_)) = node {
            self.found.push((Kind::Dropped, node.span(), String::new()));
        }
        visit::visit_stmt(self, node);
    }
}

fn candidates(files: &[(String, String)]) -> Result<Vec<Candidate<Edit>>> {
    let mut candidates = Vec::new();
    for (file, (name, text)) in files.iter().enumerate() {
        let Some((_, block)) = FILES.iter().find(|(of, _)| of == name) else { continue };
        let mut finder = Finder { text, found: Vec::new() };
        finder.visit_file(&syn::parse_file(text).with_context(|| name.clone())?);
        for (kind, span, text) in finder.found {
            let line = span.start().line;
            let edit = Edit { file, line, bytes: span.byte_range(), text };
            candidates.push(Candidate { block: *block, kind, place: format!("micro/{name}:{line}"), edit });
        }
    }
    Ok(candidates)
}

/// Mutants of the program in `folder`, and the programs: the original, then one for each. Their numbers begin with `first`.
pub fn mutate(folder: &Path, first: u16, rng: &mut ChaCha8Rng) -> Result<(Vec<Mutant>, Vec<Vec<u64>>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    let original = build(&files)?.words;
    let space = room(original.len());
    let (mut mutants, mut programs) = (Vec::new(), vec![original]);
    for of_block in COUNTS {
        draw(candidates(&files)?, of_block, rng, |candidate| {
            let Edit { file, line, bytes, text } = &candidate.edit;
            let mut edited = files.clone();
            edited[*file].1.replace_range(bytes.clone(), text);
            // Not every change is a program, nor another one.
            let Ok(program) = build(&edited) else { return false };
            if program.words.len() > space || programs.contains(&program.words) {
                return false;
            }
            let of = |text: &str| text.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
            mutants.push(Mutant {
                number: first + mutants.len() as u16,
                block: candidate.block,
                place: candidate.place.clone(),
                kind: candidate.kind,
                was: of(&files[*file].1),
                is: of(&edited[*file].1),
            });
            programs.push(program.words);
            true
        });
    }
    Ok((mutants, programs))
}

/// Makes the control store of a device hold these programs, read from `images` when the simulation begins. The first is for all
/// mutants below `first`.
pub fn store(text: &str, top: &str, first: u16, programs: &[Vec<u64>], images: &Path) -> Result<(String, String)> {
    let space = room(programs.iter().map(Vec::len).max().unwrap_or(1));
    let high = WORD_BITS - 1;
    let head = format!("    reg [{high}:0] mem [0:{}];\n", space - 1);
    let module = text
        .find(&format!("module {top}$sequencer$store("))
        .context("the device has no control store")?;
    let begin = module
        + text[module..]
            .find(&head)
            .context("the control store has another size; run `cargo xtask verilog`")?;
    let tail = "if (enable) word <= mem[address];";
    let end = begin + text[begin..].find(tail).context("the control store is read in another way")?;
    for (number, word) in programs[0].iter().enumerate() {
        let line = format!("mem[{number}] = {WORD_BITS}'h{word:015x};");
        ensure!(text[begin..end].contains(&line), anyhow!("word {number} is another; run `cargo xtask verilog`"));
    }
    let mutant = format!("{top}.mutant");
    let program = format!("({mutant} < 16'd{first} ? 32'd0 : {{16'd0, {mutant}}} - 32'd{})", u32::from(first) - 1);
    let store = format!(
        "    reg [{high}:0] mem [0:{}];\n    initial $readmemh(\"{}\", mem);\n    always @(posedge clock) if (enable) word <= mem[{program} * 32'd{space} + {{19'd0, address}}];",
        programs.len() * space - 1,
        images.display()
    );
    let mut words = String::new();
    for program in programs {
        for number in 0..space {
            let _ = writeln!(words, "{:015x}", program.get(number).copied().unwrap_or_default());
        }
    }
    Ok((format!("{}{store}{}", &text[..begin], &text[end + tail.len()..]), words))
}
