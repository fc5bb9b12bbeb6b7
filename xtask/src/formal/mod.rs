//! `cargo xtask formal`: proofs about exported designs and the microprogram, and that each notices what is broken. `docs/formal.md`.
//!
//! ```text
//! hdl/formal/<name>/ ─► tasks: hold, cover, catch each mutant ─► workers, one a core ─► a line a proof
//!    properties.sv ─► SymbiYosys on hdl/rtl (proof.rs), and the step of an induction (induction.rs)   micro.toml ─► model check of hdl/micro (micro.rs)
//! ```

mod induction;
mod micro;
mod proof;
mod tools;

use crate::process::run_until;
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use micro::{Check, Checker};
use proof::{Proof, Task};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tools::Tools;

/// Time for one run by hand.
const BY_HAND: Duration = Duration::from_secs(3600);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Proofs to run, by their folder in hdl/formal; by default all
    #[arg(value_name = "PROOF")]
    proofs: Vec<String>,
    /// Say what there is; run nothing
    #[arg(long)]
    list: bool,
}

/// A proof and its name.
struct Case {
    name: String,
    kind: Kind,
}

/// What it is about.
enum Kind {
    /// An exported design: the properties' file, and the design's text.
    Rtl { proof: Proof, properties: PathBuf, design: String },
    /// The microprogram.
    Micro(Check),
}

/// What tasks are done with; what no task needs is not there.
struct Means {
    tools: Option<Tools>,
    checker: Option<Checker>,
    deadline: Instant,
}

/// The end of a task: the time it took, or what is wrong.
type Outcome = Result<Duration>;

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut cases = read_all(&workspace::root()?)?;
    if options.list {
        for case in &cases {
            println!("{:<10} {}\n{:<10} {}, {} mutants", case.name, case.about(), "", case.extent(), case.mutants());
        }
        return Ok(());
    }
    for name in &options.proofs {
        ensure!(
            cases.iter().any(|case| case.name == *name),
            "no proof `{name}`: `cargo xtask formal --list` says which"
        );
    }
    if !options.proofs.is_empty() {
        cases.retain(|case| options.proofs.contains(&case.name));
    }
    prove(&cases, Instant::now() + BY_HAND)
}

fn read_all(root: &Path) -> Result<Vec<Case>> {
    let folder = root.join("hdl/formal");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    folders.sort();
    let mut cases = Vec::new();
    for folder in folders {
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .context("a folder's name is not UTF-8")?;
        let name = name.to_owned();
        if let Some(check) = Check::read(&folder)? {
            for mutant in &check.mutants {
                mutant.apply(&root.join("hdl/micro")).with_context(|| format!("proof {name}"))?;
            }
            cases.push(Case { name, kind: Kind::Micro(check) });
            continue;
        }
        let proof = Proof::read(&folder)?;
        let path = root.join("hdl/rtl").join(format!("{}.v", proof.design));
        let design = std::fs::read_to_string(&path);
        let design = design.with_context(|| format!("proof {name}: cannot read {}", path.display()))?;
        let design = proof.choose(&design).with_context(|| format!("proof {name}, {}", path.display()))?;
        for mutant in &proof.mutants {
            mutant.apply(&design).with_context(|| format!("proof {name}, {}", path.display()))?;
        }
        cases.push(Case { name, kind: Kind::Rtl { proof, properties: folder.join("properties.sv"), design } });
    }
    Ok(cases)
}

/// Runs all tasks of the proofs, says how they ended, and fails if one did not end as it should.
fn prove(cases: &[Case], deadline: Instant) -> Result<()> {
    let start = Instant::now();
    let is_micro = |case: &Case| matches!(case.kind, Kind::Micro(_));
    let tools = if cases.iter().all(is_micro) { None } else { Some(Tools::get(deadline)?) };
    let checker = if cases.iter().any(is_micro) { Some(Checker::get(&workspace::root()?, deadline)?) } else { None };
    let means = Means { tools, checker, deadline };
    let tasks: Vec<(usize, Task)> =
        cases.iter().enumerate().flat_map(|(i, case)| case.tasks().map(move |t| (i, t))).collect();
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<(usize, Task, Outcome)>> = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&(index, task)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = cases[index].perform(task, &means);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((index, task, outcome));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut caught_of_all, mut mutants_of_all, mut failed) = (0, 0, Vec::new());
    for (index, case) in cases.iter().enumerate() {
        let name = case.name.as_str();
        let (mut caught, mut seconds, mut holds) = (0, 0.0, true);
        for (_, task, outcome) in outcomes.iter().filter(|(i, ..)| *i == index) {
            match (outcome, task) {
                (Ok(time), _) => {
                    seconds += time.as_secs_f64();
                    caught += usize::from(matches!(task, Task::Catch(_)));
                }
                (Err(error), _) => {
                    eprintln!("error: {name}: {error:#}");
                    holds &= matches!(task, Task::Catch(_));
                }
            }
        }
        let mutants = case.mutants();
        let verdict = if holds { "holds" } else { "FAILED" };
        println!("  {name:<10} {verdict:<6} {:<24} {caught}/{mutants} mutants caught {seconds:>8.1} s", case.extent());
        if !holds || caught != mutants {
            failed.push(name);
        }
        caught_of_all += caught;
        mutants_of_all += mutants;
    }
    let held = cases.len() - failed.len();
    println!(
        "formal: {held} of {} proofs as they should be, {caught_of_all} of {mutants_of_all} mutants caught, {:.1} s",
        cases.len(),
        start.elapsed().as_secs_f64()
    );
    if !failed.is_empty() {
        bail!("proofs failed: {}; again with `cargo xtask formal {}`", failed.join(", "), failed.join(" "));
    }
    Ok(())
}

impl Case {
    fn about(&self) -> &str {
        match &self.kind {
            Kind::Rtl { proof, .. } => &proof.about,
            Kind::Micro(check) => &check.about,
        }
    }

    fn extent(&self) -> String {
        match &self.kind {
            Kind::Rtl { proof, .. } => proof.extent(),
            Kind::Micro(check) => check.extent.clone(),
        }
    }

    fn mutants(&self) -> usize {
        match &self.kind {
            Kind::Rtl { proof, .. } => proof.mutants.len(),
            Kind::Micro(check) => check.mutants.len(),
        }
    }

    /// A model check covers while it holds.
    fn tasks(&self) -> impl Iterator<Item = Task> + use<> {
        let cover = matches!(self.kind, Kind::Rtl { .. }).then_some(Task::Cover);
        [Task::Hold].into_iter().chain(cover).chain((0..self.mutants()).map(Task::Catch))
    }

    /// Carries out a task; an error unless it ends as it should.
    fn perform(&self, task: Task, means: &Means) -> Outcome {
        match (&self.kind, &means.tools, &means.checker) {
            (Kind::Rtl { proof, properties, design }, Some(tools), _) => {
                self.prove(task, (proof, properties, design), tools, means.deadline)
            }
            (Kind::Micro(check), _, Some(checker)) => match task {
                Task::Hold | Task::Cover => checker.hold(&self.name),
                Task::Catch(i) => checker.catch(&self.name, i, &check.mutants[i]),
            },
            _ => bail!("what it needs is not there"),
        }
    }

    /// Runs SymbiYosys; an error unless it ends as it should.
    fn prove(
        &self,
        task: Task,
        (proof, properties, design): (&Proof, &Path, &str),
        tools: &Tools,
        deadline: Instant,
    ) -> Outcome {
        let (what, design, wanted) = match task {
            Task::Hold => ("hold".to_owned(), design.to_owned(), "PASS"),
            Task::Cover => ("cover".to_owned(), design.to_owned(), "PASS"),
            Task::Catch(i) => (format!("mutant{i}"), proof.mutants[i].apply(design)?, "FAIL"),
        };
        let folder = tools.work.join(&self.name).join(&what);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(folder.join("design.v"), design)?;
        std::fs::write(folder.join("task.sby"), proof.sby(task)?)?;
        std::fs::copy(properties, folder.join("properties.sv"))
            .with_context(|| format!("cannot copy {}", properties.display()))?;
        let start = Instant::now();
        let ended = run_until(tools.sby(&folder, "task.sby").stdout(Stdio::null()).stderr(Stdio::null()), deadline);
        let log = folder.join("task/logfile.txt");
        let status = std::fs::read_to_string(folder.join("task/status")).unwrap_or_default();
        let status = status.split_ascii_whitespace().next().unwrap_or_default();
        if status == wanted {
            if let (Task::Hold, Some(k)) = (task, proof.induction) {
                step(&folder, k, tools, deadline)?;
            }
            return Ok(start.elapsed());
        }
        let log = log.display();
        match task {
            _ if status.is_empty() || status == "ERROR" => {
                Err(ended.err().unwrap_or_else(|| anyhow::anyhow!("it ended without a verdict")))
                    .with_context(|| format!("SymbiYosys could not do `{what}`, see {log}"))
            }
            Task::Hold => bail!("does not hold ({status}): {log} names the assertion and the trace"),
            Task::Cover => bail!("a cover statement is not reached ({status}): {log} says which"),
            Task::Catch(i) => bail!("mutant `{}` is not caught ({status}): {log}", proof.mutants[i].name),
        }
    }
}

/// The step of the induction whose base SymbiYosys has shown in `folder`.
fn step(folder: &Path, k: u32, tools: &Tools, deadline: Instant) -> Result<()> {
    let model = induction::Model::read(&folder.join("task/model/design_smt2.smt2"))?;
    let (queries, answers) = (folder.join("step.smt2"), folder.join("step.txt"));
    std::fs::write(&queries, model.queries(k)).with_context(|| format!("cannot write {}", queries.display()))?;
    let file = std::fs::File::create(&answers).with_context(|| format!("cannot write {}", answers.display()))?;
    run_until(tools.program("yices-smt2").arg("--incremental").arg(&queries).stdout(file), deadline)?;
    let text = std::fs::read_to_string(&answers).with_context(|| format!("cannot read {}", answers.display()))?;
    model.judge(&text).with_context(|| format!("{} has the queries", queries.display()))
}
