;; One function of 400,000 instructions.
(func $long (param i32) (result i32) local.get 0 {{100000:i32.const 7 i32.mul i32.const # i32.xor
}})
