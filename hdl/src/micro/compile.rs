//! Statements to control words.

use super::code::{Body, Code, Operand, Reg, Target};
use super::isa::Op;
use super::polish::polish;
use super::program::{Scope, Source, at};
use anyhow::{Result, bail};
use proc_macro2::Span;
use std::collections::BTreeSet;
use syn::spanned::Spanned;

/// A function on its way.
pub(super) struct Compiler<'a> {
    pub(super) scope: &'a Scope,
    pub(super) source: &'a Source,
    pub(super) body: Body,
    /// What locals in sight are, the latest last, and whether they can be assigned.
    names: Vec<(String, Operand, bool)>,
    /// Locals in use.
    used: u16,
    /// Labels of the loops around: where `continue` and `break` go.
    loops: Vec<(usize, usize)>,
    /// Functions being compiled into this one: where each leaves its value, and the label behind it.
    pub(super) inside: Vec<(Reg, usize)>,
    /// Functions that are compiled into those that call them.
    pub(super) inlined: &'a BTreeSet<usize>,
}

/// Compiles a function.
pub(super) fn compile(scope: &Scope, source: &Source, inlined: &BTreeSet<usize>) -> Result<Body> {
    let mut compiler = Compiler {
        scope,
        source,
        body: Body::default(),
        names: Vec::new(),
        used: 0,
        loops: Vec::new(),
        inside: Vec::new(),
        inlined,
    };
    for parameter in &source.parameters {
        compiler.declare(parameter.clone(), false);
    }
    compiler.block_into(&source.block, Reg::Value)?;
    compiler.emit(Op::Return);
    polish(&mut compiler.body);
    Ok(compiler.body)
}

impl Compiler<'_> {
    pub(super) fn error(&self, span: Span, what: impl std::fmt::Display) -> anyhow::Error {
        at(&self.source.file, span, what)
    }

    pub(super) fn push(&mut self, op: Op, d: Reg, a: Reg, b: Operand) {
        self.push_to(op, d, a, b, Target::None);
    }

    pub(super) fn push_to(&mut self, op: Op, d: Reg, a: Reg, b: Operand, target: Target) {
        let origin = self.scope.by_name.get(&self.source.name).copied().unwrap_or_default();
        self.body.code.push(Code { op, d, a, b, target, origin });
    }

    fn emit(&mut self, op: Op) {
        self.push(op, Reg::Value, Reg::Value, Operand::Constant(0));
    }

    pub(super) fn branch(&mut self, op: Op, a: Reg, b: Operand, label: usize) {
        self.push_to(op, Reg::Value, a, b, Target::Label(label));
    }

    pub(super) fn jump(&mut self, label: usize) {
        self.branch(Op::Jump, Reg::Value, Operand::Constant(0), label);
    }

    /// A label that stands nowhere yet.
    pub(super) fn label(&mut self) -> usize {
        self.body.labels.push(usize::MAX);
        self.body.labels.len() - 1
    }

    pub(super) fn stand(&mut self, label: usize) {
        self.body.labels[label] = self.body.code.len();
    }

    /// A fresh register, until [`Compiler::release`].
    pub(super) fn fresh(&mut self) -> Reg {
        self.used += 1;
        self.body.locals = self.body.locals.max(self.used);
        Reg::Local(self.used - 1)
    }

    pub(super) fn in_use(&self) -> u16 {
        self.used
    }

    pub(super) fn release(&mut self, used: u16) {
        self.used = used;
    }

    fn declare(&mut self, name: String, is_mutable: bool) -> Reg {
        let reg = self.fresh();
        self.names.push((name, Operand::Reg(reg), is_mutable));
        reg
    }

    /// What `name` is: a local, or a static.
    pub(super) fn named(&self, name: &str) -> Option<Operand> {
        let local = self.names.iter().rev().find(|(known, ..)| known == name);
        local
            .map(|&(_, operand, _)| operand)
            .or_else(|| self.scope.statics.get(name).map(|&number| Operand::Reg(Reg::Static(number))))
    }

    /// Compiles function `number` into this one, for these arguments; `result` is where its value goes.
    pub(super) fn inline(&mut self, number: usize, arguments: &[Operand], result: Reg) -> Result<()> {
        let callee = &self.scope.functions[number];
        let names = arguments
            .iter()
            .zip(&callee.parameters)
            .map(|(&value, name)| (name.clone(), value, false));
        let caller = (
            std::mem::replace(&mut self.source, callee),
            std::mem::replace(&mut self.names, names.collect()),
            std::mem::take(&mut self.loops),
        );
        let end = self.label();
        self.inside.push((result, end));
        self.block_into(&callee.block, result)?;
        self.inside.pop();
        self.stand(end);
        (self.source, self.names, self.loops) = caller;
        Ok(())
    }

    /// A block for its effect.
    pub(super) fn block(&mut self, block: &syn::Block) -> Result<()> {
        self.block_into(block, Reg::Value)
    }

    /// A block; leaves the value of the expression at its end, if it has one.
    pub(super) fn block_into(&mut self, block: &syn::Block, d: Reg) -> Result<()> {
        let (names, used) = (self.names.len(), self.used);
        for (number, statement) in block.stmts.iter().enumerate() {
            match statement {
                syn::Stmt::Local(local) => self.local(local)?,
                syn::Stmt::Expr(expr, None) if number + 1 == block.stmts.len() => self.tail(expr, d)?,
                syn::Stmt::Expr(expr, _) => self.statement(expr)?,
                other => bail!(self.error(other.span(), "a statement is a let or an expression")),
            }
        }
        self.names.truncate(names);
        self.release(used);
        Ok(())
    }

    fn tail(&mut self, expr: &syn::Expr, d: Reg) -> Result<()> {
        match expr {
            syn::Expr::If(inner) if inner.else_branch.is_none() => self.statement(expr),
            syn::Expr::If(_) | syn::Expr::Match(_) | syn::Expr::Block(_) if !gives_value(expr) => self.statement(expr),
            syn::Expr::While(_)
            | syn::Expr::Loop(_)
            | syn::Expr::Assign(_)
            | syn::Expr::Return(_)
            | syn::Expr::Break(_)
            | syn::Expr::Continue(_) => self.statement(expr),
            syn::Expr::Binary(binary) if is_assignment(&binary.op) => self.statement(expr),
            syn::Expr::Call(call) if super::expr::is_command(call) => self.statement(expr),
            _ => self.into(expr, d),
        }
    }

    fn local(&mut self, local: &syn::Local) -> Result<()> {
        let pattern = match &local.pat {
            syn::Pat::Type(typed) => &*typed.pat,
            pattern => pattern,
        };
        let (syn::Pat::Ident(name), Some(init)) = (pattern, &local.init) else {
            bail!(self.error(local.span(), "`let name = value;`"));
        };
        // The value's intermediate registers are free again before the name takes its own, which is the first of them.
        let used = self.used;
        let reg = self.fresh();
        self.into(&init.expr, reg)?;
        self.release(used);
        self.declare(name.ident.to_string(), name.mutability.is_some());
        Ok(())
    }

    /// An expression for its effect.
    pub(super) fn statement(&mut self, expr: &syn::Expr) -> Result<()> {
        let used = self.used;
        match expr {
            syn::Expr::Assign(assign) => {
                let reg = self.target(&assign.left)?;
                self.into(&assign.right, reg)?;
            }
            syn::Expr::Binary(binary) if is_assignment(&binary.op) => {
                let reg = self.target(&binary.left)?;
                let right = self.operand(&binary.right)?;
                self.arithmetic(&binary.op, binary.span(), Operand::Reg(reg), right, reg)?;
            }
            syn::Expr::If(branch) => self.if_statement(branch)?,
            syn::Expr::While(inner) => {
                // The condition stands at both ends: a round has one branch.
                let (top, again, end) = (self.label(), self.label(), self.label());
                self.unless(&inner.cond, end)?;
                self.release(used);
                self.stand(top);
                self.repeat(&inner.body, again, end)?;
                self.stand(again);
                self.test(&inner.cond, top, true)?;
                self.stand(end);
            }
            syn::Expr::Loop(inner) => {
                let (top, end) = (self.label(), self.label());
                self.stand(top);
                self.repeat(&inner.body, top, end)?;
                self.jump(top);
                self.stand(end);
            }
            syn::Expr::Break(inner) => match self.loops.last() {
                Some(&(_, end)) => self.jump(end),
                None => bail!(self.error(inner.span(), "`break` outside a loop")),
            },
            syn::Expr::Continue(inner) => match self.loops.last() {
                Some(&(top, _)) => self.jump(top),
                None => bail!(self.error(inner.span(), "`continue` outside a loop")),
            },
            syn::Expr::Return(inner) => {
                let (result, end) = self.inside.last().map_or((Reg::Value, None), |&(result, end)| (result, Some(end)));
                if let Some(value) = &inner.expr {
                    self.into(value, result)?;
                }
                match end {
                    Some(end) => self.jump(end),
                    None => self.emit(Op::Return),
                }
            }
            syn::Expr::Match(inner) => self.match_into(inner, None)?,
            syn::Expr::Block(inner) => self.block(&inner.block)?,
            syn::Expr::Call(call) => self.call(call, Reg::Value)?,
            syn::Expr::Paren(inner) => self.statement(&inner.expr)?,
            other => bail!(self.error(other.span(), "this has no effect")),
        }
        self.release(used);
        Ok(())
    }

    fn repeat(&mut self, body: &syn::Block, again: usize, end: usize) -> Result<()> {
        let used = self.used;
        self.loops.push((again, end));
        self.block(body)?;
        self.loops.pop();
        self.release(used);
        Ok(())
    }

    fn if_statement(&mut self, branch: &syn::ExprIf) -> Result<()> {
        let used = self.used;
        let (other, end) = (self.label(), self.label());
        self.unless(&branch.cond, other)?;
        self.release(used);
        self.block(&branch.then_branch)?;
        self.release(used);
        if let Some((_, otherwise)) = &branch.else_branch {
            self.jump(end);
            self.stand(other);
            self.statement(otherwise)?;
        } else {
            self.stand(other);
        }
        self.stand(end);
        Ok(())
    }

    fn target(&self, expr: &syn::Expr) -> Result<Reg> {
        let name = super::expr::name(expr).unwrap_or_default();
        if self
            .names
            .iter()
            .rev()
            .find(|(known, ..)| *known == name)
            .is_some_and(|(.., is_mutable)| !is_mutable)
        {
            bail!(self.error(expr.span(), format!("`{name}` is not `mut`")));
        }
        match self.named(&name) {
            Some(Operand::Reg(reg)) => Ok(reg),
            _ => Err(self.error(expr.span(), "only a local or a static can be assigned")),
        }
    }
}

fn is_assignment(op: &syn::BinOp) -> bool {
    use syn::BinOp::*;
    matches!(
        op,
        AddAssign(_) | SubAssign(_) | BitAndAssign(_) | BitOrAssign(_) | BitXorAssign(_) | ShlAssign(_) | ShrAssign(_)
    )
}

/// Whether an `if`, `match` or block ends in a value on its first path.
fn gives_value(expr: &syn::Expr) -> bool {
    let block_gives = |block: &syn::Block| match block.stmts.last() {
        Some(syn::Stmt::Expr(last, None)) => gives_value(last),
        _ => false,
    };
    match expr {
        syn::Expr::If(branch) => branch.else_branch.is_some() && block_gives(&branch.then_branch),
        syn::Expr::Block(block) => block_gives(&block.block),
        syn::Expr::Match(inner) => inner.arms.first().is_some_and(|arm| gives_value(&arm.body)),
        syn::Expr::Binary(binary) => !is_assignment(&binary.op),
        syn::Expr::Call(call) => !super::expr::is_command(call),
        syn::Expr::Assign(_)
        | syn::Expr::While(_)
        | syn::Expr::Loop(_)
        | syn::Expr::Return(_)
        | syn::Expr::Break(_)
        | syn::Expr::Continue(_) => false,
        _ => true,
    }
}
