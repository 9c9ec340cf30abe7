;; A table of a million branches.
(func $wide (param i32) block local.get 0 br_table {{1000000:0 }} end)
