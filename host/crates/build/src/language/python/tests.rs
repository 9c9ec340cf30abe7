mod imports;

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs::create_dir(project.at("job")).unwrap();
        project
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(path)
    }

    /// What it looks for modules in, with this in its description, or why in nothing.
    fn path(&self, description: &str) -> Result<Vec<PathBuf>, String> {
        fs::write(self.at("job/pyproject.toml"), description).unwrap();
        python_path(&self.at("job")).map_err(|error| format!("{error:#}"))
    }
}

#[test]
fn modules_are_looked_for_in_the_project_and_in_other_projects() {
    let project = Project::new();
    assert_eq!(project.path("").unwrap(), [project.at("job")]);
    fs::create_dir_all(project.at("job/sdk")).unwrap();
    assert_eq!(project.path("").unwrap(), [project.at("job"), project.at("job/sdk")]);
    fs::create_dir(project.at("other")).unwrap();
    let other = "[tool.pelton]\npython-path = [\".\", \"../other\"]";
    let told = project.path(other).unwrap_err();
    assert!(told.starts_with("../other, in tool.pelton.python-path of "), "{told}");
    assert!(
        told.contains("it has no pyproject.toml") && told.contains("the job could read all that is there"),
        "{told}"
    );
    fs::write(project.at("other/pyproject.toml"), "").unwrap();
    assert_eq!(project.path(other).unwrap(), [project.at("job"), project.at("other")]);
    // The same by a link.
    symlink("/etc", project.at("job/etc")).unwrap();
    for (named, words) in [
        ("[\"/\"]", "names /; a folder is given as seen from the project's"),
        ("[\"../../../../../../../..\"]", "leads out of the project, to /, and that is no project"),
        ("[\"etc\"]", "leads out of the project, to /etc, and that is no project"),
        ("[\"none\"]", "job/none, which tool.pelton.python-path of "),
        ("[\"pyproject.toml\"]", "pyproject.toml, in tool.pelton.python-path, is no folder"),
        ("\".\"", "tool.pelton.python-path is no list of folders"),
        ("[1]", "tool.pelton.python-path is no list of folders"),
    ] {
        let told = project.path(&format!("[tool.pelton]\npython-path = {named}")).unwrap_err();
        assert!(told.contains(words) && told.contains("job/pyproject.toml"), "{told}");
    }
}

#[test]
fn a_description_that_is_broken_is_told_with_its_line() {
    let project = Project::new();
    let told = project.path("[tool.pelton]\n\npython-path = [\".\"\n").unwrap_err();
    assert!(told.contains("job/pyproject.toml: TOML parse error at line "), "{told}");
    fs::remove_file(project.at("job/pyproject.toml")).unwrap();
    nix::unistd::mkfifo(&project.at("job/pyproject.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let told = format!("{:#}", python_path(&project.at("job")).unwrap_err());
    assert!(told.ends_with("pyproject.toml: it is a FIFO, not a file"), "{told}");
}

#[test]
fn an_environment_has_no_packages_outside_of_it() {
    let project = Project::new();
    let (job, packages) = (project.at("job"), |job: &Path| packages(job).map_err(|error| format!("{error:#}")));
    fs::create_dir_all(project.at("real/lib/python3.14/site-packages")).unwrap();
    fs::create_dir_all(project.at("real/lib/python3.13")).unwrap();
    symlink("/etc", project.at("real/lib/python3.13/site-packages")).unwrap();
    symlink(project.at("real"), project.at("job/.venv")).unwrap();
    let told = packages(&job).unwrap_err();
    assert!(told.contains("job/.venv is a link to ") && told.ends_with("it has no pyvenv.cfg"), "{told}");
    fs::write(project.at("real/pyvenv.cfg"), "").unwrap();
    assert_eq!(packages(&job).unwrap(), [project.at("real/lib/python3.14/site-packages")]);
}
