//! Judges what loading a pickle would have called.

use serde::Serialize;

use crate::pickle::{self, Graph};

/// One callable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Its module and name.
    pub name: String,
    /// How often it would have been called; zero if only imported.
    pub times: usize,
    /// What is known of it.
    pub danger: Danger,
    /// What it could have done, for a dangerous one.
    pub why: Option<&'static str>,
}

/// How much a callable is to be feared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Danger {
    /// It runs programs or code, or reaches for files or the network.
    Dangerous,
    /// It is no part of the libraries models are made with: its code would have run.
    Unknown,
    /// Models are made with it.
    Usual,
}

/// Modules whose callables have no place in a model, and what they do. A name after a colon is one callable.
const DANGEROUS: &[(&str, &str)] = &[
    ("os", "runs programs, changes files"),
    ("posix", "runs programs, changes files"),
    ("nt", "runs programs, changes files"),
    ("subprocess", "runs programs"),
    ("_posixsubprocess", "runs programs"),
    ("multiprocessing", "runs programs"),
    ("pty", "runs programs"),
    ("commands", "runs programs"),
    ("popen2", "runs programs"),
    ("platform", "runs programs"),
    ("webbrowser", "runs programs"),
    ("asyncio", "runs programs, reaches the network"),
    ("pip", "runs programs, installs packages"),
    ("ensurepip", "installs packages"),
    ("setuptools", "installs packages"),
    ("distutils", "runs programs"),
    ("venv", "runs programs"),
    ("sys", "changes the interpreter"),
    ("ctypes", "calls machine code"),
    ("_ctypes", "calls machine code"),
    ("cffi", "calls machine code"),
    ("mmap", "changes memory"),
    ("signal", "ends processes"),
    ("importlib", "loads code"),
    ("imp", "loads code"),
    ("runpy", "runs code"),
    ("pkgutil", "loads code"),
    ("zipimport", "loads code"),
    ("code", "runs code"),
    ("codeop", "runs code"),
    ("bdb", "runs code"),
    ("pdb", "runs code"),
    ("cProfile", "runs code"),
    ("profile", "runs code"),
    ("timeit", "runs code"),
    ("trace", "runs code"),
    ("doctest", "runs code"),
    ("idlelib", "runs code"),
    ("lib2to3", "runs code"),
    ("site", "runs code"),
    ("types:FunctionType", "makes functions of bytes"),
    ("types:LambdaType", "makes functions of bytes"),
    ("types:CodeType", "makes functions of bytes"),
    ("marshal", "makes functions of bytes"),
    ("cloudpickle", "makes functions of bytes"),
    ("dill", "makes functions of bytes"),
    ("pickle", "loads further pickles"),
    ("_pickle", "loads further pickles"),
    ("shelve", "loads further pickles"),
    ("joblib:load", "loads further pickles"),
    ("numpy:load", "loads further pickles"),
    ("torch:load", "loads further pickles"),
    ("torch.hub", "loads code from the network"),
    ("pandas:read_pickle", "loads further pickles"),
    ("numpy.testing", "runs code"),
    ("numpy.f2py", "runs programs"),
    ("numpy.distutils", "runs programs"),
    ("socket", "reaches the network"),
    ("_socket", "reaches the network"),
    ("ssl", "reaches the network"),
    ("urllib", "reaches the network"),
    ("urllib2", "reaches the network"),
    ("http", "reaches the network"),
    ("httplib", "reaches the network"),
    ("requests", "reaches the network"),
    ("aiohttp", "reaches the network"),
    ("ftplib", "reaches the network"),
    ("smtplib", "reaches the network"),
    ("telnetlib", "reaches the network"),
    ("xmlrpc", "reaches the network"),
    ("shutil", "changes files"),
    ("tempfile", "changes files"),
    ("pathlib", "changes files"),
    ("io", "changes files"),
    ("_io", "changes files"),
    ("codecs:open", "changes files"),
    ("glob", "looks for files"),
    ("sqlite3", "changes files, loads code"),
    ("logging.config", "loads code"),
    ("builtins:eval", "runs code"),
    ("builtins:exec", "runs code"),
    ("builtins:execfile", "runs code"),
    ("builtins:compile", "makes functions of text"),
    ("builtins:__import__", "loads code"),
    ("builtins:getattr", "reaches any function"),
    ("builtins:setattr", "changes any object"),
    ("builtins:delattr", "changes any object"),
    ("builtins:globals", "reaches any function"),
    ("builtins:locals", "reaches any function"),
    ("builtins:vars", "reaches any function"),
    ("builtins:open", "changes files"),
    ("builtins:file", "changes files"),
    ("builtins:input", "runs code"),
    ("builtins:breakpoint", "runs code"),
    ("builtins:apply", "calls any function"),
    ("builtins:map", "calls any function"),
    ("builtins:filter", "calls any function"),
    ("builtins:reduce", "calls any function"),
    ("operator:attrgetter", "reaches any function"),
    ("operator:methodcaller", "calls any function"),
    ("_operator:attrgetter", "reaches any function"),
    ("_operator:methodcaller", "calls any function"),
    ("functools:reduce", "calls any function"),
    ("functools:partial", "calls any function"),
    ("_functools", "calls any function"),
    ("itertools:starmap", "calls any function"),
];

/// Modules models are made with.
const USUAL: &[&str] = &[
    "sklearn",
    "_loss",
    "numpy",
    "scipy.sparse",
    "scipy.stats",
    "scipy.interpolate",
    "scipy._lib",
    "joblib.numpy_pickle",
    "collections",
    "copyreg",
    "copy_reg",
    "_codecs:encode",
    "xgboost",
    "lightgbm",
    "catboost",
    "pandas",
    "datetime",
    "decimal",
    "fractions",
    "array",
    "uuid",
    "builtins:set",
    "builtins:frozenset",
    "builtins:list",
    "builtins:dict",
    "builtins:tuple",
    "builtins:object",
    "builtins:int",
    "builtins:float",
    "builtins:str",
    "builtins:bytes",
    "builtins:bool",
    "builtins:bytearray",
    "builtins:complex",
    "builtins:slice",
    "builtins:range",
    "builtins:xrange",
    "builtins:type",
    "builtins:print",
    "imblearn",
    "category_encoders",
];

/// Whether a callable is one that an entry names.
fn is_of(entry: &str, module: &str, name: &str) -> bool {
    let module = if module == "__builtin__" { "builtins" } else { module };
    let within = |package: &str| {
        module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match entry.split_once(':') {
        // a method of what is named is its, and what a call of it gives
        Some((package, own)) => within(package) && name.split(['.', '(']).next() == Some(own),
        None => within(entry),
    }
}

/// What a graph would have called, the dangerous first.
pub(super) fn judged(graph: &Graph<'_>) -> Vec<Call> {
    let calls = pickle::calls(graph).into_iter().map(|((module, name), times)| {
        let danger = DANGEROUS.iter().find(|(entry, _)| is_of(entry, &module, &name)).map(|(_, why)| *why);
        let is_usual = USUAL.iter().any(|entry| is_of(entry, &module, &name)) && !name.contains('(');
        let (danger, why) = match danger {
            Some(why) => (Danger::Dangerous, Some(why)),
            None if is_usual => (Danger::Usual, None),
            None => (Danger::Unknown, None),
        };
        let name = if module.is_empty() { name } else { format!("{module}.{name}") };
        Call { name, times, danger, why }
    });
    let mut calls: Vec<Call> = calls.collect();
    calls.sort_by(|a, b| (a.danger, &a.name).cmp(&(b.danger, &b.name)));
    calls
}
