//! A job's settings, read by type, with errors that name the parameter.

use std::{any::type_name, fmt::Display, str::FromStr};

/// Why a job can't be configured. Anything that can be shown becomes one, so `?` works.
#[derive(Debug)]
pub struct Error(pub(crate) String);

impl<E: Display> From<E> for Error {
    fn from(reason: E) -> Self {
        Self(reason.to_string())
    }
}

/// The parameters of a job, every declared one with its value.
pub struct Parameters(pub(crate) Vec<(String, String)>);

impl Parameters {
    /// The value of a parameter, read as any type that can be read from text.
    ///
    /// # Errors
    /// The value can't be read as a `T`, or the job asks for a parameter that its spec doesn't declare.
    pub fn get<T>(&self, name: &str) -> Result<T, Error>
    where
        T: FromStr<Err: Display>,
    {
        let (_, value) = self
            .0
            .iter()
            .find(|(candidate, _)| candidate == name)
            .ok_or_else(|| Error(format!("the job reads parameter `{name}`, which its spec does not declare")))?;
        value.parse().map_err(|reason| {
            let wanted = type_name::<T>().rsplit("::").next().unwrap_or_default();
            Error(format!("parameter `{name}`: cannot read `{value}` as {wanted}: {reason}"))
        })
    }
}
