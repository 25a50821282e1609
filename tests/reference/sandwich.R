# Cluster-robust covariances of fixed effects, by clubSandwich from fits by lme4: sandwich.json.
#
# Rscript sandwich.R > sandwich.json   (R 4.2.2, lme4 1.1-31, clubSandwich 0.5.8, jsonlite, nlme)
# The data are those of R's packages; rows of `unbalanced` are named, from 1.
suppressPackageStartupMessages({library(lme4); library(clubSandwich); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))
cases <- list(
  sleepstudy = list(Reaction ~ Days + (Days | Subject), sleepstudy, FALSE, NULL),
  unbalanced = list(Reaction ~ Days + (Days | Subject), sleepstudy[-c(1:7, 25, 40:44, 100), ], TRUE, NULL),
  machines = list(score ~ Machine + (1 | Worker/Machine), as.data.frame(nlme::Machines), TRUE, NULL),
  pastes = list(strength ~ 1 + (1 | batch/cask), Pastes, FALSE, NULL)
)
out <- lapply(cases, function(case) {
  fit <- lmer(case[[1]], case[[2]], REML = case[[3]], control = tight)
  kinds <- c("CR0", "CR1", "CR2")
  covariances <- lapply(kinds, function(kind) unclass(as.matrix(vcovCR(fit, type = kind))))
  covariances <- lapply(covariances, function(m) { m <- matrix(m, nrow = length(fixef(fit))); m })
  names(covariances) <- kinds
  list(formula = deparse(case[[1]]), reml = case[[3]], theta = getME(fit, "theta"),
       beta = unname(fixef(fit)), vcov = covariances)
})
cat(toJSON(out, digits = 12, auto_unbox = FALSE, pretty = TRUE))
