;; A section that says it has 4 GiB.
(module binary "\00asm\01\00\00\00\01\ff\ff\ff\ff\0f\00")
