# Columns of new rows with the state of the rows of a model, by R (stats, base):
# R keeps the state of a function only where nothing stands around it: log(scale(x)) is not here.
# Rscript tests/reference/columns.R > tests/reference/columns.json
x <- c(0.3, 1.7, 2.2, 2.9, 4.1, 4.4, 5.8, 6.3, 7.7, 9.2, 9.9, 12.5)
new <- c(-3, 0, 2.2, 5.05, 12.5, 20)
f <- factor(c("lo", "mid", "hi", "mid", "lo", "hi", "hi", "lo", "mid", "mid", "lo", "hi"),
            levels = c("lo", "mid", "hi"))
new_f <- factor(c("hi", "lo", "hi", "mid", "hi", "lo"), levels = levels(f))
y <- sin(x) + as.integer(f)
data <- data.frame(x, f, y)
fresh <- data.frame(x = new, f = new_f)
fit <- function(formula, ...) {
  model <- lm(formula, data, ...)
  terms <- delete.response(terms(model))
  frame <- model.frame(terms, fresh, xlev = model$xlevels)
  unname(model.matrix(terms, frame, contrasts.arg = model$contrasts))
}
rows <- function(m) paste0("[", paste(apply(m, 1, function(r)
  paste0("[", paste(sprintf("%.15g", r), collapse = ", "), "]")), collapse = ", "), "]")
cases <- list(
  list("poly(x, 3)", fit(y ~ poly(x, 3)), "{}"),
  list("scale(x)", fit(y ~ scale(x)), "{}"),
  list("scale(x) * f", fit(y ~ scale(x) * f, contrasts = list(f = "contr.helmert")),
       "{\"f\": \"helmert\"}"),
  list("f", fit(y ~ f, contrasts = list(f = "contr.sum")), "{\"f\": \"sum\"}"),
  list("poly(x, 2):f", fit(y ~ poly(x, 2):f), "{}")
)
vector <- function(v) paste0("[", paste(v, collapse = ", "), "]")
texts <- function(v) paste0("[", paste0("\"", v, "\"", collapse = ", "), "]")
cat("{\n\"source\": \"", R.version.string, ", model.matrix with the terms of lm\",\n",
    "\"tolerance\": 1e-12,\n\"x\": ", vector(x), ",\n\"f\": ", texts(f),
    ",\n\"new_x\": ", vector(new), ",\n\"new_f\": ", texts(new_f), ",\n\"cases\": [\n", sep = "")
cat(paste0("{\"formula\": \"", sapply(cases, `[[`, 1), "\", \"contrasts\": ",
           sapply(cases, `[[`, 3), ",\n \"X\": ", sapply(lapply(cases, `[[`, 2), rows), "}",
           collapse = ",\n"), "\n]\n}\n", sep = "")
