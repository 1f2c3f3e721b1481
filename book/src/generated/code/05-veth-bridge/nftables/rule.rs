/// Appends a rule to a chain. The kernel runs the expressions in order. A comparison that fails ends
/// the rule, and the next rule follows.
pub fn rule(table: &str, chain: &str, parts: &[Vec<Expression>]) -> Message {
    message(libc::NFT_MSG_NEWRULE, table).text(2, chain).nest(4, &[], |list| {
        parts.iter().flatten().fold(list, |list, (name, values)| {
            list.nest(1, &[], |element| {
                element.text(1, name).nest(2, &[], |data| values.iter().fold(data, put))
            })
        })
    })
}
