# What simr does for each draw, in a loop: simulate, refit by lmer, test by lmerTest. Arguments: task
# (curve or factorial), draws of each size, sizes separated by commas. Prints a line of JSON with CPU
# seconds and power of each size. Needs lme4 and lmerTest.
suppressPackageStartupMessages({library(lme4); library(lmerTest)})
arguments <- commandArgs(TRUE)
task <- arguments[1]
draws <- as.integer(arguments[2])
sizes <- as.integer(strsplit(arguments[3], ",")[[1]])
data(sleepstudy, package = "lme4")

extended <- function(data, group, size) {
  levels <- unique(as.character(data[[group]]))
  parts <- lapply(seq_len(size), function(i) {
    part <- data[data[[group]] == levels[(i - 1) %% length(levels) + 1], ]
    part[[group]] <- sprintf("g%04d", i)
    part
  })
  do.call(rbind, parts)
}

if (task == "curve") {
  f <- Reaction ~ Days + (Days | Subject)
  pilot <- lmer(f, sleepstudy)
  group <- "Subject"
  data <- sleepstudy
  parameters <- list(beta = c(fixef(pilot)[[1]], 5), theta = getME(pilot, "theta"), sigma = sigma(pilot))
  tested <- "Days"
  test <- function(m) coef(summary(m, ddf = "Satterthwaite"))[tested, "Pr(>|t|)"]
} else {
  f <- logRT ~ G * D * C + RT2 + WL + (D + C + G | Participant) + (D + C + G | Item)
  group <- "Participant"
  data <- read.csv(arguments[4])
  theta <- as.numeric(strsplit(arguments[5], ",")[[1]])
  beta <- as.numeric(strsplit(arguments[6], ",")[[1]])
  parameters <- list(beta = beta, theta = theta, sigma = as.numeric(arguments[7]))
  tested <- "G:D:C"
  test <- function(m) 2 * pnorm(-abs(coef(summary(as(m, "lmerMod")))[tested, "t value"]))
}
control <- lmerControl(calc.derivs = FALSE)
set.seed(1)
spent <- function() sum(proc.time()[c("user.self", "sys.self")])
out <- lapply(sizes, function(size) {
  own <- extended(data, group, size)
  began <- spent()
  y <- suppressMessages(simulate(f[-2], newdata = own, newparams = parameters, nsim = draws,
                                 family = gaussian))
  p <- vapply(y, function(response) {
    own[[as.character(f[[2]])]] <- response
    test(suppressMessages(suppressWarnings(lmerTest::lmer(f, own, control = control))))
  }, 0)
  sprintf('{"size": %d, "cpu": %.3f, "power": %.4f}', size, spent() - began, mean(p < 0.05))
})
cat(sprintf('{"lme4": "%s", "points": [%s]}\n', packageVersion("lme4"), paste(out, collapse = ", ")))
