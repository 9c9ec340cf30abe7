;; One function of four million instructions.
(func $long (param i32) (result i32) local.get 0 {{1000000:i32.const 7 i32.mul i32.const # i32.xor
}})
