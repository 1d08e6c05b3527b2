//! Tokens to commands.

use super::words::{Piece, Token};

/// Where output goes and input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirection {
    Input(Vec<Piece>),
    Output { to: Vec<Piece>, append: bool },
    Errors { to: Vec<Piece>, append: bool },
    ErrorsToOutput,
}

/// One program with its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<Vec<Piece>>,
    pub(super) redirections: Vec<Redirection>,
}

/// When a pipeline is run, by how the one before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Success,
    Failure,
}

/// Programs joined by their streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub(super) when: When,
    pub(super) negated: bool,
    pub(super) commands: Vec<Command>,
}

/// Words that begin what this shell has not got.
const BEYOND: [&str; 12] =
    ["if", "for", "while", "until", "case", "function", "select", "do", "then", "fi", "done", "{"];

/// Makes commands of tokens.
pub(super) fn parse(tokens: Vec<Token>) -> Result<Vec<Pipeline>, String> {
    let mut pipelines = Vec::new();
    let mut current = Pipeline { when: When::Always, negated: false, commands: vec![Command::default()] };
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(pieces) => add_word(&mut current, pieces)?,
            Token::Sign("|") => {
                expect_command(&current, "|")?;
                current.commands.push(Command::default());
            }
            Token::Sign(sign @ (";" | "&&" | "||")) => {
                if is_empty(&current) && sign == ";" && current.when == When::Always {
                    continue;
                }
                // A line may end after `&&`.
                if is_empty(&current) && sign == ";" && tokens.peek().is_some() {
                    continue;
                }
                expect_command(&current, sign)?;
                let when = match sign {
                    "&&" => When::Success,
                    "||" => When::Failure,
                    _ => When::Always,
                };
                let next = Pipeline { when, negated: false, commands: vec![Command::default()] };
                pipelines.push(std::mem::replace(&mut current, next));
            }
            Token::Sign(sign) => {
                let redirection = redirection(sign, &mut tokens)?;
                last(&mut current).redirections.push(redirection);
            }
        }
    }
    if !is_empty(&current) {
        expect_command(&current, "the end")?;
        pipelines.push(current);
    } else if current.when != When::Always {
        return Err("a command is missing at the end".to_owned());
    }
    Ok(pipelines)
}

fn is_empty(pipeline: &Pipeline) -> bool {
    pipeline.commands == [Command::default()]
}

fn last(pipeline: &mut Pipeline) -> &mut Command {
    if pipeline.commands.is_empty() {
        pipeline.commands.push(Command::default());
    }
    let end = pipeline.commands.len() - 1;
    &mut pipeline.commands[end]
}

fn add_word(pipeline: &mut Pipeline, pieces: Vec<Piece>) -> Result<(), String> {
    let is_first = last(pipeline).words.is_empty();
    if let ([Piece::Plain(word)], true) = (pieces.as_slice(), is_first) {
        if BEYOND.contains(&word.as_str()) {
            return Err(format!("`{word}` is beyond this small shell"));
        }
        if word == "!" {
            pipeline.negated = !pipeline.negated;
            return Ok(());
        }
    }
    last(pipeline).words.push(pieces);
    Ok(())
}

fn expect_command(pipeline: &Pipeline, before: &str) -> Result<(), String> {
    let is_missing = |command: &Command| command.words.is_empty() && command.redirections.is_empty();
    if pipeline.commands.iter().any(is_missing) {
        return Err(format!("a command is missing before `{before}`"));
    }
    Ok(())
}

fn redirection(sign: &'static str, tokens: &mut impl Iterator<Item = Token>) -> Result<Redirection, String> {
    if sign == "2>&1" {
        return Ok(Redirection::ErrorsToOutput);
    }
    let Some(Token::Word(to)) = tokens.next() else {
        return Err(format!("a file is missing after `{sign}`"));
    };
    Ok(match sign {
        "<" => Redirection::Input(to),
        "2>" => Redirection::Errors { to, append: false },
        "2>>" => Redirection::Errors { to, append: true },
        _ => Redirection::Output { to, append: sign == ">>" },
    })
}
