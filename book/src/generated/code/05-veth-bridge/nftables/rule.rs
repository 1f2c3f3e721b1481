/// Appends a rule to a chain. The kernel runs the expressions in order. If a comparison fails, the
/// kernel continues with the next rule.
pub fn rule(table: &str, chain: &str, parts: &[Vec<Expression>]) -> Message {
    message(libc::NFT_MSG_NEWRULE, table).text(2, chain).nest(4, &[], |list| {
        parts.iter().flatten().fold(list, |list, (name, values)| {
            list.nest(1, &[], |element| {
                element.text(1, name).nest(2, &[], |data| values.iter().fold(data, put))
            })
        })
    })
}
