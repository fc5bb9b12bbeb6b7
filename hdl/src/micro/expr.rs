//! Expressions and conditions to control words.

use super::code::{Operand, Reg, Target};
use super::compile::Compiler;
use super::isa::{Op, fits_branch};
use super::program::{Scope, at};
use anyhow::{Result, bail, ensure};
use syn::spanned::Spanned;

/// The identifier that an expression is, if it is one.
pub(super) fn name(expr: &syn::Expr) -> Option<String> {
    match expr {
        syn::Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

/// Whether a call is of something built in that has no value.
pub(super) fn is_command(call: &syn::ExprCall) -> bool {
    let name = name(&call.func).unwrap_or_default();
    matches!(name.as_str(), "store" | "mask" | "unmask" | "wait_host" | "restart")
}

/// The value of a constant expression.
pub(super) fn constant(scope: &Scope, file: &str, expr: &syn::Expr) -> Result<u32> {
    match fold(scope, expr) {
        Some(value) => Ok(value),
        None => Err(at(file, expr.span(), "not a constant")),
    }
}

fn fold(scope: &Scope, expr: &syn::Expr) -> Option<u32> {
    match expr {
        syn::Expr::Lit(literal) => match &literal.lit {
            syn::Lit::Int(int) => int.base10_parse().ok(),
            _ => None,
        },
        syn::Expr::Path(_) => scope.constants.get(&name(expr)?).copied(),
        syn::Expr::Paren(inner) => fold(scope, &inner.expr),
        syn::Expr::Cast(inner) => fold(scope, &inner.expr),
        syn::Expr::Unary(inner) => match inner.op {
            syn::UnOp::Not(_) => fold(scope, &inner.expr).map(|value| !value),
            syn::UnOp::Neg(_) => fold(scope, &inner.expr).map(u32::wrapping_neg),
            _ => None,
        },
        syn::Expr::Binary(inner) => calculate(&inner.op, fold(scope, &inner.left)?, fold(scope, &inner.right)?),
        _ => None,
    }
}

fn calculate(op: &syn::BinOp, a: u32, b: u32) -> Option<u32> {
    use syn::BinOp::*;
    Some(match op {
        Add(_) | AddAssign(_) => a.wrapping_add(b),
        Sub(_) | SubAssign(_) => a.wrapping_sub(b),
        Mul(_) => a.wrapping_mul(b),
        BitAnd(_) | BitAndAssign(_) => a & b,
        BitOr(_) | BitOrAssign(_) => a | b,
        BitXor(_) | BitXorAssign(_) => a ^ b,
        Shl(_) | ShlAssign(_) => a << (b & 31),
        Shr(_) | ShrAssign(_) => a >> (b & 31),
        Eq(_) => (a == b).into(),
        Ne(_) => (a != b).into(),
        Lt(_) => (a < b).into(),
        Le(_) => (a <= b).into(),
        Gt(_) => (a > b).into(),
        Ge(_) => (a >= b).into(),
        _ => return None,
    })
}

/// Whether evaluating it calls a function of the program, which may change statics.
fn calls(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Call(call) => {
            let is_built_in = matches!(name(&call.func).unwrap_or_default().as_str(), "load" | "slt" | "sra");
            !is_built_in || call.args.iter().any(calls)
        }
        syn::Expr::Paren(inner) => calls(&inner.expr),
        syn::Expr::Cast(inner) => calls(&inner.expr),
        syn::Expr::Unary(inner) => calls(&inner.expr),
        syn::Expr::Binary(inner) => calls(&inner.left) || calls(&inner.right),
        syn::Expr::Lit(_) | syn::Expr::Path(_) => false,
        _ => true,
    }
}

impl Compiler<'_> {
    /// The value of an expression that is a constant here: a parameter may be one where a function is compiled in.
    fn known(&self, expr: &syn::Expr) -> Option<u32> {
        match expr {
            syn::Expr::Path(_) => match self.named(&name(expr)?) {
                Some(Operand::Constant(value)) => Some(value),
                Some(Operand::Reg(_)) => None,
                None => fold(self.scope, expr),
            },
            syn::Expr::Paren(inner) => self.known(&inner.expr),
            syn::Expr::Cast(inner) => self.known(&inner.expr),
            syn::Expr::Binary(inner) => calculate(&inner.op, self.known(&inner.left)?, self.known(&inner.right)?),
            _ => fold(self.scope, expr),
        }
    }

    /// The value of an expression: a constant, a register that holds it already, or a fresh one.
    pub(super) fn operand(&mut self, expr: &syn::Expr) -> Result<Operand> {
        if let Some(value) = self.known(expr) {
            return Ok(Operand::Constant(value));
        }
        match expr {
            syn::Expr::Paren(inner) => self.operand(&inner.expr),
            syn::Expr::Cast(inner) => self.operand(&inner.expr),
            syn::Expr::Path(_) => {
                let name = name(expr).unwrap_or_default();
                self.named(&name)
                    .ok_or_else(|| self.error(expr.span(), format!("`{name}` is not declared")))
            }

            _ => {
                let reg = self.fresh();
                self.into(expr, reg)?;
                Ok(Operand::Reg(reg))
            }
        }
    }

    /// As `operand`, in a register.
    fn in_register(&mut self, expr: &syn::Expr) -> Result<Reg> {
        let operand = self.operand(expr)?;
        Ok(self.hold(operand))
    }

    fn hold(&mut self, operand: Operand) -> Reg {
        match operand {
            Operand::Reg(reg) => reg,
            Operand::Constant(_) => {
                let reg = self.fresh();
                self.push(Op::Move, reg, Reg::Value, operand);
                reg
            }
        }
    }

    /// The values of two expressions, the first of which is not touched by the second.
    fn pair(&mut self, left: &syn::Expr, right: &syn::Expr) -> Result<(Operand, Operand)> {
        let mut a = self.operand(left)?;
        if matches!(a, Operand::Reg(Reg::Static(_))) && calls(right) {
            let reg = self.fresh();
            self.push(Op::Move, reg, Reg::Value, a);
            a = Operand::Reg(reg);
        }
        Ok((a, self.operand(right)?))
    }

    /// Leaves the value of an expression in a register.
    pub(super) fn into(&mut self, expr: &syn::Expr, d: Reg) -> Result<()> {
        let used = self.in_use();
        if let Some(value) = self.known(expr) {
            self.push(Op::Move, d, Reg::Value, Operand::Constant(value));
            return Ok(());
        }
        match expr {
            syn::Expr::Paren(inner) => self.into(&inner.expr, d)?,
            syn::Expr::Cast(inner) => self.into(&inner.expr, d)?,
            syn::Expr::Unary(inner) => {
                let a = self.in_register(&inner.expr)?;
                match inner.op {
                    syn::UnOp::Not(_) => self.push(Op::Xor, d, a, Operand::Constant(u32::MAX)),
                    syn::UnOp::Neg(_) => {
                        let zero = self.hold(Operand::Constant(0));
                        self.push(Op::Sub, d, zero, Operand::Reg(a));
                    }
                    _ => bail!(self.error(inner.span(), "only ! and -")),
                }
            }
            syn::Expr::Binary(inner) if is_logical(&inner.op) => self.truth(expr, d)?,
            syn::Expr::Binary(inner) => {
                let (a, b) = self.pair(&inner.left, &inner.right)?;
                self.arithmetic(&inner.op, inner.span(), a, b, d)?;
            }
            syn::Expr::Call(call) => {
                let name = name(&call.func).unwrap_or_default();
                match (name.as_str(), call.args.len()) {
                    ("load", 1) => self.load(&call.args[0], d)?,
                    ("slt" | "sra", 2) => {
                        let (a, b) = self.pair(&call.args[0], &call.args[1])?;
                        let a = self.hold(a);
                        self.push(if name == "slt" { Op::LessSigned } else { Op::Sra }, d, a, b);
                    }
                    _ => self.call(call, d)?,
                }
            }
            syn::Expr::If(branch) => {
                let (other, end) = (self.label(), self.label());
                self.unless(&branch.cond, other)?;
                self.release(used);
                self.block_into(&branch.then_branch, d)?;
                self.jump(end);
                self.stand(other);
                match &branch.else_branch {
                    Some((_, otherwise)) => self.into(otherwise, d)?,
                    None => bail!(self.error(branch.span(), "an `if` that gives a value has an `else`")),
                }
                self.stand(end);
            }
            syn::Expr::Match(inner) => self.match_into(inner, Some(d))?,
            syn::Expr::Block(inner) => self.block_into(&inner.block, d)?,
            // Gives no value: it leaves.
            syn::Expr::Return(_) | syn::Expr::Break(_) | syn::Expr::Continue(_) => self.statement(expr)?,
            _ => {
                let value = self.operand(expr)?;
                self.push(Op::Move, d, Reg::Value, value);
            }
        }
        self.release(used);
        Ok(())
    }

    pub(super) fn arithmetic(
        &mut self,
        op: &syn::BinOp,
        span: proc_macro2::Span,
        a: Operand,
        b: Operand,
        d: Reg,
    ) -> Result<()> {
        use syn::BinOp::*;
        // Those that are the other way round, or not.
        let (op, a, b, inverted) = match op {
            Add(_) | AddAssign(_) => (Op::Add, a, b, false),
            Sub(_) | SubAssign(_) => (Op::Sub, a, b, false),
            BitAnd(_) | BitAndAssign(_) => (Op::And, a, b, false),
            BitOr(_) | BitOrAssign(_) => (Op::Or, a, b, false),
            BitXor(_) | BitXorAssign(_) => (Op::Xor, a, b, false),
            Shl(_) | ShlAssign(_) => (Op::Shl, a, b, false),
            Shr(_) | ShrAssign(_) => (Op::Shr, a, b, false),
            Eq(_) => (Op::Equal, a, b, false),
            Ne(_) => (Op::Equal, a, b, true),
            Lt(_) => (Op::Less, a, b, false),
            Ge(_) => (Op::Less, a, b, true),
            Gt(_) => (Op::Less, b, a, false),
            Le(_) => (Op::Less, b, a, true),
            _ => bail!(self.error(span, "no such operation: `*` is for constants")),
        };
        let commutes = matches!(op, Op::Add | Op::And | Op::Or | Op::Xor | Op::Equal);
        let (a, b) = if commutes && matches!(a, Operand::Constant(_)) { (b, a) } else { (a, b) };
        let a = self.hold(a);
        self.push(op, d, a, b);
        if inverted {
            self.push(Op::Xor, d, d, Operand::Constant(1));
        }
        Ok(())
    }

    /// `load(a + b)` is one word.
    fn load(&mut self, address: &syn::Expr, d: Reg) -> Result<()> {
        let mut address = address;
        while let syn::Expr::Paren(inner) = address {
            address = &inner.expr;
        }
        let (a, b) = match address {
            syn::Expr::Binary(sum) if matches!(sum.op, syn::BinOp::Add(_)) && self.known(address).is_none() => {
                self.pair(&sum.left, &sum.right)?
            }
            _ => (self.operand(address)?, Operand::Constant(0)),
        };
        match (a, b) {
            (Operand::Constant(a), Operand::Constant(b)) => {
                self.push(Op::LoadAt, d, Reg::Value, Operand::Constant(a.wrapping_add(b)));
            }
            (Operand::Constant(_), Operand::Reg(b)) => self.push(Op::Load, d, b, a),
            (Operand::Reg(a), b) => self.push(Op::Load, d, a, b),
        }
        Ok(())
    }

    /// A call; leaves its value if it has one.
    pub(super) fn call(&mut self, call: &syn::ExprCall, d: Reg) -> Result<()> {
        let name = name(&call.func).unwrap_or_default();
        let op = match (name.as_str(), call.args.len()) {
            ("store", 2) => {
                let (address, value) = self.pair(&call.args[0], &call.args[1])?;
                let value = self.hold(value);
                self.push(Op::Store, Reg::Value, value, address);
                return Ok(());
            }
            ("load", 1) => return self.load(&call.args[0], d),
            ("mask", 0) => Op::Mask,
            ("unmask", 0) => Op::Unmask,
            ("wait_host", 0) => Op::WaitHost,
            ("restart", 0) => Op::Restart,
            _ => return self.call_function(call, &name, d),
        };
        self.push(op, Reg::Value, Reg::Value, Operand::Constant(0));
        Ok(())
    }

    fn call_function(&mut self, call: &syn::ExprCall, name: &str, d: Reg) -> Result<()> {
        let Some(&number) = self.scope.by_name.get(name) else {
            bail!(self.error(call.span(), format!("function `{name}` is not declared")));
        };
        let wanted = self.scope.functions[number].parameters.len();
        let given = call.args.len();
        ensure!(given == wanted, self.error(call.span(), format!("`{name}` takes {wanted} values, not {given}")));
        let mut values = Vec::new();
        for (place, argument) in call.args.iter().enumerate() {
            let mut value = self.operand(argument)?;
            let may_change = self.inlined.contains(&number) || call.args.iter().skip(place + 1).any(calls);
            if matches!(value, Operand::Reg(Reg::Static(_))) && may_change {
                let reg = self.fresh();
                self.push(Op::Move, reg, Reg::Value, value);
                value = Operand::Reg(reg);
            }
            values.push(value);
        }
        if self.inlined.contains(&number) {
            return self.inline(number, &values, d);
        }
        for (place, value) in values.into_iter().enumerate() {
            self.push(Op::Move, Reg::Parameter(number, place as u16), Reg::Value, value);
        }
        self.body.calls.push(number);
        self.push_to(Op::Call, Reg::Value, Reg::Value, Operand::Constant(0), Target::Function(number));
        self.push(Op::Move, d, Reg::Value, Operand::Reg(Reg::Value));
        Ok(())
    }

    /// Leaves 1 or 0.
    fn truth(&mut self, expr: &syn::Expr, d: Reg) -> Result<()> {
        let (other, end) = (self.label(), self.label());
        self.unless(expr, other)?;
        self.push(Op::Move, d, Reg::Value, Operand::Constant(1));
        self.jump(end);
        self.stand(other);
        self.push(Op::Move, d, Reg::Value, Operand::Constant(0));
        self.stand(end);
        Ok(())
    }

    /// Goes to the label unless the condition holds.
    pub(super) fn unless(&mut self, expr: &syn::Expr, label: usize) -> Result<()> {
        self.test(expr, label, false)
    }

    /// Goes to the label if the condition is `wanted`.
    pub(super) fn test(&mut self, expr: &syn::Expr, label: usize, wanted: bool) -> Result<()> {
        use syn::BinOp::*;
        let used = self.in_use();
        match expr {
            syn::Expr::Paren(inner) => self.test(&inner.expr, label, wanted)?,
            syn::Expr::Binary(inner) if matches!(inner.op, And(_)) != wanted && is_logical(&inner.op) => {
                // `a && b` fails, or `a || b` holds, as soon as one does.
                self.test(&inner.left, label, wanted)?;
                self.test(&inner.right, label, wanted)?;
            }
            syn::Expr::Binary(inner) if is_logical(&inner.op) => {
                let on = self.label();
                self.test(&inner.left, on, !wanted)?;
                self.test(&inner.right, label, wanted)?;
                self.stand(on);
            }
            syn::Expr::Binary(inner)
                if matches!(inner.op, Eq(_) | Ne(_) | Lt(_) | Le(_) | Gt(_) | Ge(_)) && self.known(expr).is_none() =>
            {
                let (a, b) = self.pair(&inner.left, &inner.right)?;
                let (op, a, b) = match (&inner.op, wanted) {
                    (Eq(_), true) | (Ne(_), false) => (Op::IfEqual, a, b),
                    (Eq(_), false) | (Ne(_), true) => (Op::IfNot, a, b),
                    (Lt(_), true) | (Ge(_), false) => (Op::IfLess, a, b),
                    (Lt(_), false) | (Ge(_), true) => (Op::IfNotLess, a, b),
                    (Gt(_), true) | (Le(_), false) => (Op::IfLess, b, a),
                    _ => (Op::IfNotLess, b, a),
                };
                let equality = matches!(op, Op::IfEqual | Op::IfNot);
                let (a, b) = if equality && matches!(a, Operand::Constant(_)) { (b, a) } else { (a, b) };
                let a = self.hold(a);
                let b = match b {
                    Operand::Constant(value) if !fits_branch(value) => Operand::Reg(self.hold(b)),
                    b => b,
                };
                self.branch(op, a, b, label);
            }
            _ if self.known(expr).is_some() => {
                if (self.known(expr) != Some(0)) == wanted {
                    self.jump(label);
                }
            }
            _ => {
                let value = self.in_register(expr)?;
                self.branch(if wanted { Op::IfNot } else { Op::IfEqual }, value, Operand::Constant(0), label);
            }
        }
        self.release(used);
        Ok(())
    }

    /// A match, for its effect or its value.
    pub(super) fn match_into(&mut self, inner: &syn::ExprMatch, d: Option<Reg>) -> Result<()> {
        let used = self.in_use();
        let value = self.operand(&inner.expr)?;
        // No pattern is a call, and no arm is tried after another's body.
        let held = self.hold(value);
        let end = self.label();
        let mut is_complete = false;
        for arm in &inner.arms {
            ensure!(arm.guard.is_none() && !is_complete, self.error(arm.span(), "no guards, and `_` last"));
            let next = self.label();
            let patterns: Vec<&syn::Pat> = match &arm.pat {
                syn::Pat::Or(or) => or.cases.iter().collect(),
                pattern => vec![pattern],
            };
            if patterns.iter().any(|pattern| matches!(pattern, syn::Pat::Wild(_))) {
                is_complete = true;
            } else {
                let body = self.label();
                let last = patterns.len() - 1;
                for (place, pattern) in patterns.into_iter().enumerate() {
                    let constant = self.pattern(pattern)?;
                    let used = self.in_use();
                    let b = match Operand::Constant(constant) {
                        b if !fits_branch(constant) => Operand::Reg(self.hold(b)),
                        b => b,
                    };
                    if place == last {
                        self.branch(Op::IfNot, held, b, next);
                    } else {
                        self.branch(Op::IfEqual, held, b, body);
                    }
                    self.release(used);
                }
                self.stand(body);
            }
            let used = self.in_use();
            match d {
                Some(d) => self.into(&arm.body, d)?,
                None if is_nothing(&arm.body) => {}
                None => self.statement(&arm.body)?,
            }
            self.release(used);
            self.jump(end);
            self.stand(next);
        }
        ensure!(is_complete || d.is_none(), self.error(inner.span(), "a `match` that gives a value ends with `_`"));
        self.stand(end);
        self.release(used);
        Ok(())
    }

    fn pattern(&self, pattern: &syn::Pat) -> Result<u32> {
        let value = match pattern {
            syn::Pat::Ident(ident) => self.scope.constants.get(&ident.ident.to_string()).copied(),
            syn::Pat::Path(path) => path
                .path
                .get_ident()
                .and_then(|ident| self.scope.constants.get(&ident.to_string()).copied()),
            syn::Pat::Lit(literal) => match &literal.lit {
                syn::Lit::Int(int) => int.base10_parse().ok(),
                _ => None,
            },
            _ => None,
        };
        value.ok_or_else(|| self.error(pattern.span(), "a pattern is a constant"))
    }
}

fn is_logical(op: &syn::BinOp) -> bool {
    matches!(op, syn::BinOp::And(_) | syn::BinOp::Or(_))
}

fn is_nothing(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Tuple(tuple) => tuple.elems.is_empty(),
        syn::Expr::Block(block) => block.block.stmts.is_empty(),
        _ => false,
    }
}
