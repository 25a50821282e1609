# Data made from sines, alike here and in hypotheses_cases.py: three levels of f and g with one
# combination that never occurs, two covariates, twelve subjects. hypotheses.R and means.R read this
# file from the root of the repository.

part <- function(i, k) { v <- sin(i * 12.9898 + k * 78.233) * 43758.5453; v - floor(v) }

made <- function() {
  i <- 1:120
  d <- data.frame(
    f = factor(c("a", "b", "c")[floor(3 * part(i, 1)) + 1], levels = c("a", "b", "c")),
    g = factor(c("u", "v", "w")[floor(3 * part(i, 2)) + 1], levels = c("u", "v", "w")),
    x = 100 * part(i, 3), z = part(i, 4) - 0.5, w = 0.5 + part(i, 6),
    s = factor(rep(1:12, each = 10)))
  d$y <- 10 * (part(i, 5) - 0.5) + 3 * sin(as.integer(d$s)) + 0.02 * d$x + (d$f == "b") +
    2 * d$z * cos(3 * as.integer(d$s))
  d[!(d$f == "c" & d$g == "w"), ]
}
