;; 900,000 functions.
{{900000:(func)
}}
