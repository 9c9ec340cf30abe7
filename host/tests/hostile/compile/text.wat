;; A file that is no WebAssembly.
(module binary "#!/usr/bin/env python3\nimport os\n")
