//! The image store as its users see it.

#[cfg(test)]
mod archive;
#[cfg(test)]
mod build;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod registry_faults;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
#[cfg(test)]
mod unpack;
#[cfg(test)]
mod untrusted;
