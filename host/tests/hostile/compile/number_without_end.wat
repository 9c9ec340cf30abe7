;; A section whose length is a number that never ends.
(module binary "\00asm\01\00\00\00\01\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\00")
