;; A file of no bytes.
(module binary)
