//! One row per setting. A new one is a row here and a field of the configuration.

use std::time::Duration;

use super::{Setting, Text};

/// A row for one field: key, field, what stands for the value in help texts, what it does.
macro_rules! setting {
    ($key:literal, $($field:ident).+, $placeholder:literal, $help:literal) => {
        Setting::new(
            $key,
            $placeholder,
            $help,
            |config, text| {
                config.$($field).+ = Text::read(text)?;
                Ok(())
            },
            |config| Text::show(&config.$($field).+),
        )
    };
}

/// All settings, those below one heading side by side, those below none first.
pub fn all() -> &'static [Setting] {
    ALL
}

const ALL: &[Setting] = &[
    setting!("model", model_path, "MODEL", "Model file, folder, or address to fetch it from")
        .called("model", "ML_MODEL_PATH"),
    setting!("port", port, "PORT", "Port to listen on"),
    setting!("address", address, "ADDRESS", "Address to listen on"),
    setting!("drain", drain, "TIME", "Go on accepting for this long after SIGTERM"),
    setting!("log", log, "FILTER", "What to log, such as `info` or `warn,inference=debug`")
        .called("log", "RUST_LOG")
        .live(),
    setting!("poll", poll, "TIME", "Look for changed models this often; empty for never"),
    setting!("limits.body", limits.max_body, "SIZE", "Largest request body, unpacked"),
    setting!("limits.rows", limits.max_rows, "COUNT", "Most rows of one request"),
    setting!(
        "limits.concurrent",
        limits.max_concurrent,
        "COUNT",
        "Most predictions under way; more are answered 429"
    ),
    setting!("limits.queue", limits.max_queue, "COUNT", "Most requests that wait for a thread"),
    setting!("limits.connections", limits.max_connections, "COUNT", "Most open connections"),
    setting!("limits.read-timeout", limits.read_timeout, "TIME", "How long a request may take to arrive"),
    setting!("limits.deadline", limits.deadline, "TIME", "How long a prediction may take, waiting included"),
    setting!("source.sha256", source.sha256, "DIGITS", "SHA-256 that the model's file must have")
        .called("model-sha256", "ML_MODEL_SHA256"),
    setting!("source.max-size", source.max_bytes, "SIZE", "Largest file to fetch"),
    setting!("source.cache", source.cache, "FOLDER", "Where fetched files stay"),
    setting!("source.stall", source.stall, "TIME", "Ask a store again that sends nothing for so long"),
    setting!(
        "source.give-up",
        source.give_up,
        "TIME",
        "End when a store gives nothing for so long; otherwise never"
    ),
    setting!("source.options", source.options, "KEY=VALUE,…", "Settings of buckets, such as `aws_endpoint`")
        .secret(),
    setting!(
        "source.authorization",
        source.authorization,
        "TEXT",
        "`Authorization` for models of web servers"
    )
    .secret(),
    setting!("faults.startup-delay", startup_delay, "TIME", "Fault: open the port only after this long")
        .called("startup-delay", "PINNACE_STARTUP_DELAY"),
    Setting::new(
        "faults.fail-after",
        "TIME",
        "Fault: fail health and readiness after this long",
        |config, text| {
            // no time at all is how a ConfigMap says never
            config.fail_after = Option::<Duration>::read(text)?.filter(|after| !after.is_zero());
            Ok(())
        },
        |config| config.fail_after.show(),
    )
    .called("fail-after", "PINNACE_FAIL_AFTER"),
];
