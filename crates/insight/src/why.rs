//! Why is nothing happening? One answer in words, with the evidence and the next step.
//!
//! [`Look`] asks about one object. In reading order: [`observed`] is what there is to go by; `words` how answers are
//! phrased; `pod` follows a pod through its life and stops at the first thing that holds it up (`scheduling`,
//! `volumes`, `container`, `crash`, `image`, `probe`, `ending`); `deployment`, `job`, `service`, `ingress` and `claim` reuse its
//! answers; `node` tells what a drain waits for.

mod claim;
mod container;
mod crash;
mod deployment;
mod ending;
mod image;
mod ingress;
mod job;
mod node;
pub mod observed;
mod pod;
mod probe;
mod scheduling;
mod service;
#[cfg(test)]
mod tests;
mod volumes;
mod words;

use jiff::Timestamp;

pub use observed::Observed;

/// How it stands with the object asked about, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing is wrong.
    Fine,
    /// It will go on by itself.
    Waiting,
    /// Somebody has to do something.
    Stuck,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it stands.
    pub health: Health,
    /// Whether it is a matter of moments: who asks again a second later is told more.
    pub is_passing: bool,
    /// The answer in one line: lower case, no full stop, literals in backticks.
    pub verdict: String,
    /// What it follows from, the weightiest first.
    pub because: Vec<String>,
    /// What to do next: words, or words with a command in backticks.
    pub next: Vec<String>,
    /// The container whose last words say more, where there is one.
    pub log: Option<Log>,
}

/// Where to read what a container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether the run before the current one is meant.
    pub previous: bool,
}

impl Answer {
    fn new(health: Health, verdict: impl Into<String>) -> Self {
        let verdict = verdict.into();
        Self { health, is_passing: false, verdict, because: Vec::new(), next: Vec::new(), log: None }
    }

    fn fine(verdict: impl Into<String>) -> Self {
        Self::new(Health::Fine, verdict)
    }

    fn waiting(verdict: impl Into<String>) -> Self {
        Self::new(Health::Waiting, verdict)
    }

    /// Waiting for what usually takes no time.
    fn passing(verdict: impl Into<String>) -> Self {
        Self { is_passing: true, ..Self::waiting(verdict) }
    }

    fn stuck(verdict: impl Into<String>) -> Self {
        Self::new(Health::Stuck, verdict)
    }

    /// Adds evidence; nothing when there is none.
    fn because(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        for line in evidence {
            if !line.is_empty() && !self.because.contains(&line) {
                self.because.push(line);
            }
        }
        self
    }

    /// Takes over the evidence and the steps of another answer.
    fn with_evidence_of(mut self, other: Self) -> Self {
        self.log = self.log.or(other.log);
        self.is_passing |= other.is_passing;
        self.because(other.because).next(other.next)
    }

    /// Adds next steps.
    fn next(mut self, steps: impl IntoIterator<Item = String>) -> Self {
        for step in steps {
            if !self.next.contains(&step) {
                self.next.push(step);
            }
        }
        self
    }
}

/// A look at the objects of one namespace, at one moment.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// What there is.
    pub observed: &'a Observed,
    /// The namespace of the object asked about.
    pub namespace: &'a str,
    /// The time of the look.
    pub now: Timestamp,
}

/// Which requests an Ingress is asked about; all of them when nothing is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// The path, such as `/api/v1/predict`.
    pub path: Option<&'a str>,
}

impl Look<'_> {
    /// Answers for the pod of this name.
    #[must_use]
    pub fn pod(&self, name: &str) -> Answer {
        pod::answer(self, name)
    }

    /// Answers for the Deployment of this name.
    #[must_use]
    pub fn deployment(&self, name: &str) -> Answer {
        deployment::answer(self, name)
    }

    /// Answers for the Service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Answer {
        service::answer(self, name)
    }

    /// Answers for the claim of storage of this name.
    #[must_use]
    pub fn claim(&self, name: &str) -> Answer {
        claim::answer(self, name)
    }

    /// Answers for the Job of this name.
    #[must_use]
    pub fn job(&self, name: &str) -> Answer {
        job::answer(self, name)
    }

    /// Answers for the node of this name; pods and budgets of every namespace are needed.
    #[must_use]
    pub fn node(&self, name: &str) -> Answer {
        node::answer(self, name)
    }

    /// Answers for the Ingress of this name.
    #[must_use]
    pub fn ingress(&self, name: &str, request: Request<'_>) -> Answer {
        ingress::answer(self, name, request)
    }
}
