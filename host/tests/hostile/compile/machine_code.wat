;; Compiled code, which would run outside of the sandbox.
(module binary "\7fELF\02\01\01\00")
