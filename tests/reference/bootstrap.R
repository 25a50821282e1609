# Ends of bootstrap intervals by boot.ci, of values that are written with them.
#
#   Rscript tests/reference/bootstrap.R > tests/reference/bootstrap.json
#
# Beside these stands lme4's bootMer(fit, nsim = 1000, seed = 101) of
# lmer(Reaction ~ 1 + Days + (1 + Days | Subject), sleepstudy, REML = FALSE), R 4.2, lme4 1.1-31:
# ends by confint(type = "perc"), means and standard deviations of the draws.

suppressMessages(library(boot))
set.seed(1)
values <- round(rexp(99), 6)
t0 <- 0.9
made <- structure(list(t0 = t0, t = matrix(values), R = 99, sim = "parametric"), class = "boot")
ends <- lapply(c(0.8, 0.9, 0.95), function(level) {
  found <- boot.ci(made, conf = level, type = c("perc", "basic", "norm"), t0 = t0, t = values)
  list(
    level = level,
    percentile = found$percent[4:5],
    basic = found$basic[4:5],
    normal = found$normal[2:3]
  )
})
suppressMessages(library(lme4))
form <- Reaction ~ 1 + Days + (1 + Days | Subject)
fit <- lmer(form, sleepstudy, REML = FALSE)
own <- function(f) {
  v <- as.data.frame(VarCorr(f))
  c(fixef(f), sigma = sigma(f), sd0 = v$sdcor[1], sd1 = v$sdcor[2], rho = v$sdcor[3])
}
drawn <- bootMer(fit, own, nsim = 1000, seed = 101)
perc <- lapply(seq_along(drawn$t0), function(i) {
  boot.ci(drawn, index = i, type = "perc")$percent[4:5]
})
names(perc) <- names(drawn$t0)
cat(jsonlite::toJSON(
  list(
    boot_ci = list(
      source = paste("boot::boot.ci", packageVersion("boot")),
      values = values, estimate = t0, ends = ends
    ),
    sleepstudy = list(
      source = paste("lme4::bootMer", packageVersion("lme4"), "nsim 1000, seed 101, ML"),
      draws = 1000,
      mean = as.list(colMeans(drawn$t, na.rm = TRUE)),
      sd = as.list(apply(drawn$t, 2, sd, na.rm = TRUE)),
      percentile = perc
    )
  ),
  auto_unbox = TRUE, digits = NA, pretty = TRUE
), "\n")
